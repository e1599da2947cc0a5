"""A run's folder: what lies in it, what state the run is in, and how runs are made, found, renamed and thrown away."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from core.runs import lock
from core.runs.journal.journal import JournalReader
from core.runs.journal.reducer import fold
from core.runs.journal.state import RunState
from core.util.atomic import write_atomic
from core.util.errors import UserError

TRASH = ".trash"

PIECE = 4 * 1024 * 1024
"""Bytes of a journal that are folded at a time."""


class RunFolder:
    """One run on disk. Cheap to make: nothing is read until it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()

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
        return self.recipe_path.is_file() or self.journal_path.is_file()

    def is_alive(self) -> bool:
        """Whether a trainer holds the run's lock."""
        return lock.is_held(self.lock_path)

    def read_recipe(self) -> dict[str, Any]:
        """recipe.json as plain values.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            plain = msgspec.json.decode(self.recipe_path.read_bytes())
        except OSError as error:
            raise UserError(f"{self.recipe_path} cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(f"{self.recipe_path} is damaged: {error}") from error
        if not isinstance(plain, dict):
            raise UserError(f"{self.recipe_path} is damaged: it holds no object")
        return plain

    def write_recipe(self, recipe: dict[str, Any]) -> None:
        """Replaces recipe.json."""
        write_atomic(self.recipe_path, msgspec.json.format(msgspec.json.encode(recipe), indent=2) + b"\n")

    def state(self) -> RunState:
        """The folded journal, with name and liveness. To watch a run use `core.runs.tail.RunTail`."""
        alive = self.is_alive()  # before the journal is read, see RunTail.poll
        reader, state = JournalReader(self.journal_path), RunState.empty()
        while events := reader.read(PIECE):
            state = fold(state, events)
        return self.placed(state, alive)

    def placed(self, state: RunState, alive: bool) -> RunState:
        """``state`` with what the journal does not know: the run's name, whether the trainer lives, and since when."""
        signed = lock.holder(self.lock_path)
        launched = signed[1] if signed else (0.0 if self.lock_path.exists() else None)
        placed = replace(state, name=self.name, alive=alive, launched=launched)
        if not placed.recipe:
            with contextlib.suppress(UserError):
                placed.recipe = self.read_recipe()
                placed.model = placed.model or str(placed.recipe.get("model", ""))
                placed.dataset = placed.dataset or dataset_name(Path(str(placed.recipe.get("data", ""))))
                placed.epochs = placed.epochs or int(placed.recipe.get("epochs", 0))
        if signed and alive:
            placed.pid = signed[0]
        return placed

    def rename(self, name: str) -> "RunFolder":
        """Gives the run another name and returns it.

        Raises:
            UserError: the run is running, or the name is taken or unusable.
        """
        self._refuse_alive("renamed")
        target = self.path.parent / checked_name(name)
        if target.exists():
            raise UserError(f"there is already a run called {name}; choose another name")
        self.path.rename(target)
        return RunFolder(target)

    def trash(self) -> Path:
        """Moves the run to the folder `TRASH` beside it and returns where it lies now.

        Raises:
            UserError: the run is running.
        """
        self._refuse_alive("deleted")
        bin_ = self.path.parent / TRASH
        bin_.mkdir(exist_ok=True)
        target, n = bin_ / self.name, 2
        while target.exists():
            target, n = bin_ / f"{self.name}-{n}", n + 1
        self.path.rename(target)
        return target

    def _refuse_alive(self, done: str) -> None:
        if self.is_alive():
            raise UserError(f"{self.name} is running and cannot be {done}; stop it first")


def dataset_name(data: Path) -> str:
    """What a dataset is called: its folder's name, or the one above a folder that is only called genres."""
    data = Path(data).absolute()
    return data.parent.name if data.name == "genres" and data.parent.name else data.name


def checked_name(name: str) -> str:
    """``name``, if a run can be called so.

    Raises:
        UserError: it is empty, hidden, too long, or no plain file name.
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
