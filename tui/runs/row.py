"""One run as the Runs screen lists it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from core.runs.summary import Summary

AUTOMATIC = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_")
"""How the name of a run begins that nobody has named."""


@dataclass(frozen=True, slots=True)
class RunRow:
    path: Path
    state: str
    model: str = ""
    dataset: str = ""
    epochs_done: int = 0
    epochs: int = 0
    val: float | None = None
    """Best validation accuracy, a fraction."""
    test: float | None = None
    """Test accuracy, a fraction."""
    started: float | None = None
    """Unix seconds; None before the first start."""
    seconds: float = 0.0
    """How long it has worked."""

    @classmethod
    def of(cls, summary: Summary) -> Self:
        return cls(
            path=Path(summary.path),
            state=summary.state,
            model=summary.model,
            dataset=summary.dataset,
            epochs_done=summary.epochs_done,
            epochs=summary.epochs,
            val=summary.best_val_accuracy,
            test=summary.test_accuracy,
            started=summary.started,
            seconds=summary.seconds,
        )

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def named(self) -> bool:
        """Whether somebody has given it a name."""
        return not AUTOMATIC.match(self.name)

    @property
    def alive(self) -> bool:
        return self.state in {"running", "paused"}

    @property
    def progress(self) -> float:
        """Fraction of the epochs asked for."""
        return min(1.0, self.epochs_done / self.epochs) if self.epochs else 0.0
