"""A run's folder: its files, the state of the run, renaming, and moving it to the trash."""

import contextlib
import math
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from core.runs import lock
from core.runs.journal.events import KINDS, AnyEvent, EpochFinished
from core.runs.journal.journal import PIECE, JournalReader
from core.runs.journal.reducer import plausible_recipe, reduce
from core.runs.journal.snapshot import WORTHWHILE, load_snapshot, save_snapshot
from core.runs.journal.state import RunState, Validation
from core.util.archive.path import without_suffix
from core.util.atomic import write_atomic
from core.util.errors import UserError, explained
from core.util.files import read_small

TRASH = ".trash"

PROGRESS = frozenset({"batch_progress", "device_sample", "features_progress"})
"""Kinds of event that tell how far an epoch, or the features, have come."""
MOST_EPOCHS = 1_000_000
"""Most epochs of a run; more are a typing error."""


class RunFolder:
    """A run on disk. Creating one is cheap, because nothing is read."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunFolder) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def recipe_path(self) -> Path:
        return self.path / "recipe.json"

    @property
    def journal_path(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def training_log_path(self) -> Path:
        return self.path / "training_log.txt"

    @property
    def trainer_log_path(self) -> Path:
        """Standard output and error of the trainer process."""
        return self.path / "trainer.log"

    @property
    def lock_path(self) -> Path:
        return self.path / "run.lock"

    @property
    def control_path(self) -> Path:
        return self.path / "control.json"

    @property
    def best_model_path(self) -> Path:
        return self.path / "best_model.pth"

    @property
    def last_path(self) -> Path:
        return self.path / "last.pth"

    @property
    def plots_path(self) -> Path:
        return self.path / "Plots"

    @property
    def spectrograms_path(self) -> Path:
        return self.path / "Spectrograms"

    @property
    def report_json_path(self) -> Path:
        return self.path / "report.json"

    @property
    def report_text_path(self) -> Path:
        return self.path / "report.txt"

    def exists(self) -> bool:
        try:
            return self.recipe_path.is_file() or self.journal_path.is_file()
        except OSError:  # a folder that may not be entered
            return False

    def is_alive(self) -> bool:
        """Whether a trainer holds the run's lock."""
        return lock.is_held(self.lock_path)

    def read_recipe(self) -> dict[str, Any]:
        """recipe.json as plain values.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            plain = msgspec.json.decode(read_small(self.recipe_path))
        except OSError as error:
            raise UserError(f"{self.recipe_path} cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(f"{self.recipe_path} is damaged: {error}") from error
        if not isinstance(plain, dict):
            raise UserError(f"{self.recipe_path} is damaged: it is not a JSON object")
        return plain

    def write_recipe(self, recipe: dict[str, Any]) -> None:
        """Replace recipe.json."""
        write_atomic(self.recipe_path, msgspec.json.format(msgspec.json.encode(recipe), indent=2) + b"\n")

    def state(self) -> RunState:
        """The current state, read from the beginning of the journal. To watch a run, use a `RunReader`."""
        reader = RunReader(self)
        reader.poll()
        return reader.state

    def validation(self, epoch: int, genres: Sequence[str]) -> Validation | None:
        """The validation of an epoch from the journal; None if there is none that matches ``genres``.

        Takes about as long as the first `RunReader.poll`: keep it off an event loop.
        """
        journal = JournalReader(self.journal_path, skip=KINDS - {"epoch_finished"})
        found: list[AnyEvent] = []
        while events := journal.read(PIECE):  # an epoch may have been trained again
            same: list[AnyEvent] = [e for e in events if isinstance(e, EpochFinished) and e.epoch == epoch]
            found = same[-1:] or found
        return reduce(replace(RunState.empty(), genres=list(genres)), found).validation

    def rename(self, name: str) -> "RunFolder":
        """Rename the run; returns it with its new path.

        Raises:
            UserError: the run is running, the name is taken or unusable, or the runs folder cannot be written to.
        """
        self._refuse_alive("renamed")
        target = self.path.parent / checked_name(name)
        if target.exists():
            raise UserError(f"there is already a run called {name}; choose another name")
        with explained(f"{self.path} cannot be renamed"):
            self.path.rename(target)
        return RunFolder(target)

    def trash(self) -> Path:
        """Move the run to the folder `TRASH` beside it; returns its new path.

        Raises:
            UserError: the run is running, or the runs folder cannot be written to.
        """
        self._refuse_alive("deleted")
        trash = self.path.parent / TRASH
        with explained(f"{self.path} cannot be moved to {trash}"):
            trash.mkdir(exist_ok=True)
            target, n = trash / self.name, 2
            while target.exists():
                target, n = trash / f"{self.name}-{n}", n + 1
            self.path.rename(target)
        return target

    def _refuse_alive(self, done: str) -> None:
        if self.is_alive():
            raise UserError(f"{self.name} is running and cannot be {done}; stop it first")


class RunReader:
    """Reads a run's state incrementally from its journal.

    ``reader = RunReader(run)``; then repeatedly ``if reader.poll(): draw(reader.state)``.

    Attributes:
        state: the run as of the last `poll`; empty before the first.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        skip: frozenset[str] = frozenset(),
        on_event: Callable[[AnyEvent], object] | None = None,
    ) -> None:
        """
        Args:
            skip: kinds of events that are not needed; see `JournalReader`.
            on_event: called with each new event during a `poll`.
        """
        self._snapshots = not skip and on_event is None
        """Whether snapshots may be used, because no events are skipped and there is no callback."""
        self.run = run
        self.state = RunState.empty()
        self._journal = JournalReader(run.journal_path, skip=skip)
        self._on_event = on_event
        self._bad_lines = 0
        self._cancelled = False
        self._heartbeat = (0, 0)
        self._beat_at = -math.inf
        """When the run's files were last seen to change, on this process's monotonic clock."""

    def poll(self) -> bool:
        """Read new events; returns whether the journal or the life of the trainer has changed.

        Reading a long journal for the first time takes about 1 s per 100 MB, and a tenth of that the next time, from a
        snapshot: keep it off an event loop.
        """
        # The lock is checked first. Otherwise a trainer that writes its last event and ends between the two checks
        # would seem to have died.
        held = self.run.is_alive()
        state, begun = self.state, self._journal.position
        long = self._snapshots and not begun and _size(self.run.journal_path) >= WORTHWHILE
        if long and (snapshot := load_snapshot(self.run.journal_path)) is not None:
            self._journal.continue_from(snapshot.position, snapshot.bad_lines, snapshot.unknown_kinds)
            state, begun, self._bad_lines = snapshot.state, snapshot.position, snapshot.bad_lines
        while not self._cancelled and (events := self._journal.read(PIECE)):
            state = reduce(state, events)
            if self._on_event is not None:
                for event in events:
                    self._on_event(event)
        if (bad := self._journal.bad_lines) != self._bad_lines:
            state = replace(state, damaged=state.damaged + bad - self._bad_lines)
            self._bad_lines = bad
        journal = self._journal
        if self._snapshots and not self._cancelled and journal.position - begun >= WORTHWHILE:
            save_snapshot(self.run.journal_path, journal.position, bad, journal.unknown_kinds, state)
        elsewhere = not held and self._lives_elsewhere(state)
        alive = held or elsewhere
        changed = state is not self.state or alive != self.state.alive or not self.state.name
        if changed:
            self.state = self._placed(state, alive=alive, elsewhere=elsewhere)
        return changed

    def cancel(self) -> None:
        """Make a `poll` in another thread return before it has read the rest of a long journal."""
        self._cancelled = True

    def first_look(self) -> RunState | None:
        """The run without its curves over steps, where the first `poll` would take seconds; None where it would not.

        Of a long journal, progress within epochs is most; without it, reading takes less than a fifth of the time.
        """
        path = self.run.journal_path
        if self._journal.position or _size(path) < WORTHWHILE or load_snapshot(path) is not None:
            return None
        reader = RunReader(self.run, skip=PROGRESS)
        reader.poll()
        return reader.state

    def _lives_elsewhere(self, state: RunState) -> bool:
        """Whether a trainer runs on another host whose lock is not visible here; its clock may differ from ours."""
        beat = (lock.heartbeat(self.run.lock_path), _size(self.run.journal_path))
        if beat != self._heartbeat:
            if self._heartbeat != (0, 0):
                self._beat_at = time.monotonic()
            self._heartbeat = beat
        if state.end is not None or not state.host or state.host == socket.gethostname():
            return False
        beating = time.monotonic() - self._beat_at < lock.STALE_SECONDS
        return beating or abs(time.time() - state.time) < lock.STALE_SECONDS

    def _placed(self, state: RunState, *, alive: bool, elsewhere: bool) -> RunState:
        """Add to ``state`` what is not in the journal."""
        signed = lock.holder(self.run.lock_path)
        launched = signed.since if signed else (0.0 if self.run.lock_path.exists() else None)
        placed = replace(
            state,
            name=self.run.name,
            alive=alive,
            elsewhere=elsewhere,
            launched=launched,
            observed=time.monotonic(),
        )
        if not placed.recipe:
            with contextlib.suppress(UserError):
                _add_recipe(placed, self.run.read_recipe())
        if placed.status != "queued":  # a trainer that died in the queue has left it
            placed.place = 0
        if signed and alive and not elsewhere:
            placed.pid = signed.pid
        return placed


def _add_recipe(state: RunState, recipe: dict[str, Any]) -> None:
    """Add the contents of recipe.json, which may have been written by hand, for a run that has not started."""
    state.recipe = plausible_recipe(recipe)
    state.model = state.model or str(recipe.get("model", ""))
    state.dataset = state.dataset or dataset_name(Path(str(recipe.get("data", ""))))
    if isinstance(epochs := recipe.get("epochs"), int) and 0 <= epochs <= MOST_EPOCHS:
        state.epochs = state.epochs or epochs


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def dataset_name(data: Path) -> str:
    """The name of a dataset: that of its folder or archive, or of the parent of a folder called genres."""
    data = Path(data).absolute()
    return data.parent.name if data.name == "genres" and data.parent.name else without_suffix(data.name)


def checked_name(name: str) -> str:
    """Check and return the name of a run.

    Raises:
        UserError: it is empty, hidden, too long, or not a plain file name.
    """
    name = name.strip()
    if (
        not name
        or name.startswith((".", "-"))
        or "/" in name
        or "\0" in name
        or not name.isprintable()
        or len(name.encode()) > 200
    ):
        raise UserError(
            f"{name!r} cannot be a run's name: it must not begin with a dot or a dash, hold a slash, or be too long"
        )
    return name
