"""How far the work at hand has come: features, the batches of an epoch, or how the run ended."""

from textual.content import Content

from core.runs.journal.state import RunState
from tui.text.numbers import count, rate

WIDEST = 40
"""Cells of the bar at most: a longer one says no more."""


def progress_line(state: RunState, width: int) -> Content:
    """``━━━━━━━╸──────── train 31/50 · 1,840 clips/s``"""
    if state.status in ("finished", "stopped", "failed", "lost", "created"):
        return _ended(state, width)
    done, total, text = _work(state)
    if total == 0:
        return Content.styled(text, "$text-muted")
    bar = max(8, min(WIDEST, width - 46))
    return _bar(done / total, bar) + " " + text


def _work(state: RunState) -> tuple[int, int, str]:
    """Done, in all, and in words; nothing in all where nothing can be counted."""
    speed = f" · {rate(state.clips_per_second)}" if state.clips_per_second else ""
    if state.phase == "features" and state.features is not None:
        done, total, cached = state.features.done, state.features.total, state.features.cached
        stored = f" · {cached:,} from the store" if cached else ""
        return done, total, f"features {done:,}/{total:,}{stored}{speed}"
    if state.phase in ("training", "validating") and state.batches:
        # The two phases have their own counts of batches, so each has its own bar.
        what = "train" if state.phase == "training" else "validate"
        return state.batch, state.batches, f"{what} {state.batch:,}/{state.batches:,}{speed}"
    return 0, 0, _WAITING.get(state.phase, "")


_WAITING = {
    "starting": "The trainer is starting.",
    "scanning": "Looking at the dataset.",
    "features": "Computing features.",
    "training": "Between epochs.",
    "validating": "Validating.",
    "testing": "Testing the best model.",
    "reporting": "Writing the report and the pictures.",
}


def _bar(share: float, width: int) -> Content:
    filled = round(min(1.0, share) * 2 * width)
    whole, half = divmod(filled, 2)
    return Content.assemble(("━" * whole + "╸" * half, "$train"), ("─" * (width - whole - half), "$faint"))


def _ended(state: RunState, width: int) -> Content:
    match state.status:
        case "finished":
            return Content.styled("✓ " + (state.end_message or "All epochs done, tested and reported."), "$good")
        case "stopped":
            return Content("■ stopped: " + state.end_message)
        case "failed":
            return Content.styled("✗ " + state.end_message, "$bad") + Content.styled("  The log has the traceback.", "")
        case "lost":
            where = f"after {count(state.epochs_done, 'epoch')}" if state.epochs_done else "before its first epoch"
            return Content.styled(f"? The trainer ended without a word {where}. It can be resumed.", "$bad")
        case _:
            return Content("This run has not been started.")
