"""How a result came about, in words: no number goes without them."""

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
