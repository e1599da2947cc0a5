"""Which clips of a dataset a model is evaluated on: without a word, only those that it has not learnt from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.dataset.clip import Clip
from core.dataset.split import PARTS, column_values
from core.training.checkpoint import TrainedModel
from core.training.evaluation.protocol import describe_split
from core.training.training_set import Seen
from core.util.errors import UserError

LEARNT = ("train", "valid")
"""Parts that say nothing about a model any more."""
MOST_VALUES = 8
"""Values of a column that a message names."""


@dataclass(frozen=True)
class Choice:
    """Which clips of a dataset are evaluated, and what a result on them is called."""

    clips: list[int]
    protocol: str


def choose_clips(
    clips: Sequence[Clip],
    trained: TrainedModel,
    *,
    against: TrainedModel | None = None,
    part: str | None = None,
    split_column: str | None = None,
) -> Choice:
    """The clips to evaluate; see `core.training.evaluation.evaluate.evaluate` for the arguments.

    Raises:
        UserError: there are none, or no such column or part.
    """
    everything = range(len(clips))
    parts = _parts(clips, trained)
    others = [None] * len(clips) if against is None else _parts(clips, against)
    if split_column is not None:
        values = column_values(clips, split_column)
        wanted = part if part is not None else "test"
        chosen = [i for i in everything if values[i] == wanted]
        if not chosen:
            raise UserError(
                f"No clip has {wanted!r} in the column {split_column!r}: take one of its values with --part; it holds "
                f"{_most_frequent(values)}."
            )
        leak = _leak([parts[i] for i in chosen], [others[i] for i in chosen])
        return Choice(chosen, f"{wanted} of the column {split_column}{leak}")
    if part == "all":
        return Choice(list(everything), f"all clips{_leak(parts, others)}")
    if part is not None and part not in PARTS:
        raise UserError(
            f"There is no part {part!r}: take {', '.join(PARTS)} or all, or name a column to look it up in."
        )
    if part is not None:
        chosen = [i for i in everything if parts[i] == part]
        if not chosen:
            raise UserError(f"None of these clips was in the {part} part of the model's training.")
        # What the model's own part means is plain; whether the other model knew it is not.
        leak = _leak([], [others[i] for i in chosen])
        return Choice(chosen, f"the {part} part of the model's own {describe_split(trained.recipe.split)}{leak}")
    chosen = [i for i in everything if parts[i] not in LEARNT and others[i] not in LEARNT]
    who = "the model" if against is None else "one model or the other"
    if not chosen:
        raise UserError(
            f"{who.capitalize()} was trained on, or chosen by, every one of these clips: take --part all to see it."
        )
    known = len(clips) - len(chosen)
    left_out = f" ({known} that {who} was trained on or chosen by are left out)" if known else ""
    return Choice(chosen, f"held-out clips{left_out}")


def _parts(clips: Sequence[Clip], trained: TrainedModel) -> list[str | None]:
    seen = Seen(trained.dataset)
    return [seen.part(clip) for clip in clips]


def _most_frequent(values: Sequence[str]) -> str:
    """The values that most clips have, each with its number of clips, and how many more there are."""
    counted = Counter(values).most_common()
    named = ", ".join(f"{value or '(empty)'} ({count})" for value, count in counted[:MOST_VALUES])
    return f"{named}, … and {len(counted) - MOST_VALUES:,} more" if len(counted) > MOST_VALUES else named


def _leak(own: Iterable[str | None], others: Iterable[str | None] = ()) -> str:
    """A warning that belongs to every figure: how many of the clips the model, or the one beside it, knew."""
    counts = {"the model": sum(part in LEARNT for part in own), "the other model": sum(p in LEARNT for p in others)}
    knew = [f"{who} was trained on or chosen by {count} of them" for who, count in counts.items() if count]
    return f" ({', '.join(knew)}: no measure of accuracy)" if knew else ""
