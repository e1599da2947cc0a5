"""Summaries of runs as the Runs screen lists them."""

from typing import Any

from msgspec.structs import replace

from core.runs.summary import Summary


def summary(name: str, *, epochs: int = 20, **changes: Any) -> Summary:
    """A finished run of that name, with ``changes``."""
    made = Summary(
        name=name,
        state="finished",
        path=f"/r/{name}",
        model="seed_cnn",
        dataset="gtzan",
        epochs_done=epochs,
        epochs=epochs,
        best_val_accuracy=None,
        test_accuracy=None,
        started=None,
        seconds=0.0,
    )
    return replace(made, **changes)
