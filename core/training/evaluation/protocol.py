"""How a result came about, in words: no number goes without them."""

import re

from core.training.recipe import SplitSettings


def describe_split(settings: SplitSettings) -> str:
    """Such as ``random stratified split 80/10/10, seed 0``."""
    match settings.protocol:
        case "random":
            shares = "/".join(f"{100 * fraction:g}" for fraction in settings.fractions)
            return f"random stratified split {shares}, seed {settings.seed}"
        case "column":
            parts = "/".join(part or "none" for part in settings.parts)
            return f"split by the column {settings.column} ({parts})"
        case "grouped":
            by = settings.groups or "recording"
            return f"fold {settings.fold + 1} of {settings.folds} grouped by {by}, seed {settings.seed}"


def same_protocol(one: str, other: str) -> bool:
    """Whether two results of cross-validation may be compared, by their protocols in words.

    More trainings or fewer change nothing for a clip: the first that measures it is the same one. Folds do, for they
    decide how much there is to train on.
    """

    def without_trainings(protocol: str) -> str:
        return re.sub(r"^\d+ (random stratified split|training)s?", r"\1", protocol)

    return without_trainings(one) == without_trainings(other)
