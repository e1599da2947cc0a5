"""Which clips of a dataset a model is evaluated on: without a word, only those that it has not learnt from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.dataset.clip import Clip
from core.dataset.split import PARTS, column_values
from core.errors import UserError
from core.training.checkpoint import TrainedModel
from core.training.protocol import describe_split
from core.training.provenance import Seen

LEARNT = ("train", "valid")
"""Parts that say nothing about a model any more."""


@dataclass(frozen=True)
class Choice:
    """Which clips of a dataset are evaluated, and what a result on them is called."""

    clips: list[int]
    protocol: str


def choose_clips(
    clips: Sequence[Clip], trained: TrainedModel, *, part: str | None = None, split_column: str | None = None
) -> Choice:
    """The clips to evaluate; see `core.training.evaluate.evaluate` for the arguments.

    Raises:
        UserError: there are none, or no such column or part.
    """
    everything = range(len(clips))
    seen = Seen(trained.dataset)
    parts = [seen.part(clip) for clip in clips]
    if split_column is not None:
        values = column_values(clips, split_column)
        wanted = part if part is not None else "test"
        chosen = [i for i in everything if values[i] == wanted]
        if not chosen:
            has = ", ".join(sorted(set(values)))
            raise UserError(f"No clip has {wanted!r} in the column {split_column!r}; it holds {has}.")
        return Choice(chosen, f"{wanted} of the column {split_column}{_leak(parts[i] for i in chosen)}")
    if part == "all":
        return Choice(list(everything), f"all clips{_leak(parts)}")
    if part is not None and part not in PARTS:
        raise UserError(
            f"There is no part {part!r}: take {', '.join(PARTS)} or all, or name a column to look it up in."
        )
    if part is not None:
        chosen = [i for i in everything if parts[i] == part]
        if not chosen:
            raise UserError(f"None of these clips was in the {part} part of the model's training.")
        return Choice(chosen, f"the {part} part of the model's own {describe_split(trained.recipe.split)}")
    chosen = [i for i in everything if parts[i] not in LEARNT]
    if not chosen:
        raise UserError("The model was trained on, or chosen by, every one of these clips: take --part all to see it.")
    known = len(clips) - len(chosen)
    return Choice(
        chosen,
        "held-out clips" + (f" ({known} that the model was trained on or chosen by are left out)" if known else ""),
    )


def _leak(parts: Iterable[str | None]) -> str:
    """A warning that belongs to every figure: how many of the clips the model knew."""
    count = sum(part in LEARNT for part in parts)
    return f" (the model was trained on or chosen by {count} of them: no measure of accuracy)" if count else ""
