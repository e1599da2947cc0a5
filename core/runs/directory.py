"""The folder of all runs: where it is, and how runs in it are made, listed and found."""

import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from core.runs.folder import RunFolder, checked_name
from core.util.errors import UserError


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
    try:
        making.path.chmod(0o755)
        making.write_recipe(recipe)
    except OSError as error:
        shutil.rmtree(making.path, ignore_errors=True)
        raise UserError(f"no run can be made in {runs_dir}: {error.strerror}") from error
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
    """All runs, newest first (by name, which begins with the time). An absent folder has none.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        entries = sorted(
            (e.name for e in os.scandir(runs_dir) if e.is_dir() and not e.name.startswith(".")), reverse=True
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"the runs folder {runs_dir} cannot be read: {error.strerror}") from error
    return [run for run in (RunFolder(Path(runs_dir) / name) for name in entries) if run.exists()]


def find(runs_dir: Path, key: str | Path | None = None) -> RunFolder:
    """The run that ``key`` names: a folder, a name, or a unique prefix of one; the newest without a key.

    Raises:
        UserError: there is none, or the prefix fits several.
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


def slug(text: str) -> str:
    """Letters, digits and dashes, for a folder's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "unnamed"
