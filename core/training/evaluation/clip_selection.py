"""Selecting the clips on which a model is evaluated: by default, those it was not trained on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.dataset.clip import Clip
from core.dataset.split import PARTS, column_values
from core.training.checkpoint import TrainedModel
from core.training.training_set import LEARNT
from core.util.errors import UserError

MOST_VALUES = 8
"""Most values of a column that a message lists."""


@dataclass(frozen=True)
class ClipSelection:
    """Indices of the clips to evaluate, and a description of the selection."""

    clips: list[int]
    description: str


def select_clips(
    clips: Sequence[Clip],
    trained: TrainedModel,
    *,
    against: TrainedModel | None = None,
    part: str | None = None,
    split_column: str | None = None,
) -> ClipSelection:
    """Select the clips to evaluate; see `core.training.evaluation.evaluate.evaluate` for the arguments.

    Raises:
        UserError: no clip is left, or the column or part does not exist.
    """
    everything = range(len(clips))
    parts = trained.dataset.parts_of(clips)
    others = [None] * len(clips) if against is None else against.dataset.parts_of(clips)
    if split_column is not None:
        values = column_values(clips, split_column)
        wanted = part if part is not None else "test"
        chosen = [i for i in everything if values[i] == wanted]
        if not chosen:
            raise UserError(
                f"No clip has {wanted!r} in the column {split_column!r}: name one of its values with --part; it holds "
                f"{_most_frequent(values)}."
            )
        leak = _leak([parts[i] for i in chosen], [others[i] for i in chosen])
        return ClipSelection(chosen, f"{wanted} of the column {split_column}{leak}")
    if part == "all":
        return ClipSelection(list(everything), f"all clips{_leak(parts, others)}")
    if part is not None and part not in PARTS:
        raise UserError(f"There is no part {part!r}: choose {', '.join(PARTS)} or all, or name a column that has it.")
    if part is not None:
        chosen = [i for i in everything if parts[i] == part]
        if not chosen:
            raise UserError(f"None of these clips was in the {part} part of the model's training.")
        # For the model's own part only the other model's training needs a warning.
        leak = _leak([], [others[i] for i in chosen])
        return ClipSelection(chosen, f"the {part} part of the model's own {trained.recipe.split.describe()}{leak}")
    chosen = [i for i in everything if parts[i] not in LEARNT and others[i] not in LEARNT]
    who = "the model" if against is None else "one model or the other"
    if not chosen:
        raise UserError(
            f"{who.capitalize()} was trained on or selected by every one of these clips: use --part all to evaluate on "
            "them anyway."
        )
    known = len(clips) - len(chosen)
    left_out = f" ({known} that {who} was trained on or selected by are left out)" if known else ""
    return ClipSelection(chosen, f"held-out clips{left_out}")


def _most_frequent(values: Sequence[str]) -> str:
    """The most frequent values with their numbers of clips, and the number of further values."""
    counted = Counter(values).most_common()
    named = ", ".join(f"{value or '(empty)'} ({count})" for value, count in counted[:MOST_VALUES])
    return f"{named}, … and {len(counted) - MOST_VALUES:,} more" if len(counted) > MOST_VALUES else named


def _leak(own: Iterable[str | None], others: Iterable[str | None] = ()) -> str:
    """A warning that says how many of the clips the models were trained on or selected by; "" for none."""
    counts = {"the model": sum(part in LEARNT for part in own), "the other model": sum(p in LEARNT for p in others)}
    knew = [f"{who} was trained on or selected by {count} of them" for who, count in counts.items() if count]
    return f" ({', '.join(knew)}: not a measure of accuracy)" if knew else ""
