"""Watching one run: its state as of now, at the price of what was appended since the last look."""

from core.runs.folder import PIECE, RunFolder
from core.runs.journal.journal import JournalReader
from core.runs.journal.reducer import fold
from core.runs.journal.state import RunState


class RunTail:
    """``tail = RunTail(run)``; then ``if tail.poll(): draw(tail.state)``, as often as one likes.

    Attributes:
        state: the run as of the last `poll`; empty before the first.
    """

    def __init__(self, run: RunFolder, *, skip: frozenset[str] = frozenset()) -> None:
        """``skip``: kinds of event that are not needed, see `JournalReader`."""
        self.run = run
        self.state = RunState.empty()
        self.reader = JournalReader(run.journal_path, skip=skip)

    def poll(self) -> bool:
        """Takes in what is new. False when nothing has changed: neither the journal nor whether the trainer lives.

        The first look at a long journal takes a second a 100 MB or so: keep it off an event loop.
        """
        # Whether it lives is asked first. The other way round, a trainer that writes its last words and dies between
        # the two looks would seem to have died without a word.
        alive = self.run.is_alive()
        state = self.state
        while events := self.reader.read(PIECE):
            state = fold(state, events)
        changed = state is not self.state or alive != self.state.alive or not self.state.name
        if changed:
            self.state = self.run.placed(state, alive)
        return changed
