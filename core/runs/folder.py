"""A run's folder: what lies in it, what state the run is in, and how runs are made, found, renamed and thrown away."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.errors import UserError
from core.runs import lock
from core.runs.atomic import write_atomic
from core.runs.fold import fold
from core.runs.journal import JournalReader
from core.runs.state import RunState

if TYPE_CHECKING:
    from core.runs.summary import Summary

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
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
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

    def summary(self) -> "Summary":
        """The run in one line. For many runs, again and again, use `core.runs.summary.RunList`."""
        from core.runs.summary import RunWatcher

        return RunWatcher(self).summary()

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


def default_runs_dir() -> Path:
    """``GENRE_TUI_RUNS``, or ./runs."""
    return Path(os.environ.get("GENRE_TUI_RUNS") or "runs")


def create(runs_dir: Path, recipe: dict[str, Any], dataset: str, model: str, *, name: str | None = None) -> RunFolder:
    """A new run folder with its recipe.json, named after the time, the dataset and the model unless ``name`` says so.

    Raises:
        UserError: the name is taken or unusable, or the folder cannot be written to.
    """
    stem = checked_name(name) if name else f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{slug(dataset)}_{slug(model)}"
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        # The folder appears under its name with the recipe already in it.
        making = RunFolder(Path(tempfile.mkdtemp(dir=runs_dir, prefix=".new-")))
    except OSError as error:
        raise UserError(f"no run can be made in {runs_dir}: {error.strerror}") from error
    making.path.chmod(0o755)
    making.write_recipe(recipe)
    attempt = 1
    while True:
        target = runs_dir / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            if not target.exists():
                making.path.rename(target)
                return RunFolder(target)
        except OSError:
            if not target.exists():
                raise
        if name:
            shutil.rmtree(making.path)
            raise UserError(f"there is already a run called {name}; choose another name")
        attempt += 1


def list_runs(runs_dir: Path) -> list[RunFolder]:
    """All runs, newest first (by name, which begins with the time). An absent folder has none."""
    try:
        entries = sorted(
            (e.name for e in os.scandir(runs_dir) if e.is_dir() and not e.name.startswith(".")), reverse=True
        )
    except OSError:
        return []
    return [run for run in (RunFolder(Path(runs_dir) / name) for name in entries) if run.exists()]


def find(runs_dir: Path, key: str | Path | None = None) -> RunFolder:
    """The run that ``key`` names: a folder, a name, or a unique beginning of one; the newest without a key.

    Raises:
        UserError: there is none, or the beginning fits several.
    """
    runs_dir = Path(runs_dir)
    if key is None:
        runs = list_runs(runs_dir)
        if not runs:
            raise UserError(f"there are no runs in {runs_dir}; start one with: genre-tui train FOLDER")
        return max(runs, key=lambda run: run.path.stat().st_ctime_ns)
    text = str(key)
    for path in (Path(text), runs_dir / text):
        if text and (run := RunFolder(path)).exists():
            return run
    names = [run.name for run in list_runs(runs_dir) if run.name.startswith(text)]
    if len(names) == 1:
        return RunFolder(runs_dir / names[0])
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise UserError(f"{len(names)} runs begin with {text!r}: {shown}; give more of the name")
    raise UserError(f"no run in {runs_dir} is called {text!r} or begins so; genre-tui runs lists them")


def dataset_name(data: Path) -> str:
    """What a dataset is called: its folder's name, or the one above a folder that is only called genres."""
    data = Path(data).absolute()
    return data.parent.name if data.name == "genres" and data.parent.name else data.name


def slug(text: str) -> str:
    """Letters, digits and dashes, for a folder's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "unnamed"


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
