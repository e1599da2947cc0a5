"""A folder of runs: creating, listing and finding runs."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from core.runs import registry
from core.runs.folder import TRASH, RunFolder, checked_name
from core.util.errors import UserError, explained
from core.util.files import open_regular

LONGEST_SLUG = 40
"""Most characters of a dataset's name in a run's name."""
JOURNAL_HEAD = 64 * 1024
"""Bytes at the beginning of a journal in which its first start is searched."""


def create(runs_dir: Path, recipe: dict[str, Any], dataset: str, kind: str, *, name: str | None = None) -> RunFolder:
    """Create a run folder with its recipe.json, called ``name`` or by default ``dataset-kind-number``.

    Args:
        kind: what is trained: the recipe's preset or model.

    Raises:
        UserError: the name is taken or unusable, or the folder cannot be written to.
    """
    stem = checked_name(name) if name else f"{slug(dataset)}-{slug(kind)}"
    with explained(f"no run can be made in {runs_dir}"):
        runs_dir.mkdir(parents=True, exist_ok=True)
        # The folder gets its name when the recipe is already in it.
        making = RunFolder(Path(tempfile.mkdtemp(dir=runs_dir, prefix=".new-")))
    try:
        making.path.chmod(0o755)
        making.write_recipe(recipe)
    except OSError as error:
        shutil.rmtree(making.path, ignore_errors=True)
        raise UserError(f"no run can be made in {runs_dir}: {error.strerror}") from error
    number = _next_number(runs_dir, stem)
    while True:
        target = runs_dir / (stem if name else f"{stem}-{number}")
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
        number += 1


def _next_number(runs_dir: Path, stem: str) -> int:
    """One more than the highest number of the runs with this stem, including those in the trash."""
    numbered = re.compile(re.escape(stem) + r"-(\d{1,9})")
    names = [path.name for folder in (runs_dir, runs_dir / TRASH) if folder.is_dir() for path in folder.iterdir()]
    return 1 + max((int(match[1]) for name in names if (match := numbered.fullmatch(name))), default=0)


def scan_runs(runs_dir: Path) -> list[RunFolder]:
    """All runs of a folder, in no particular order; empty if the folder does not exist.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        with os.scandir(runs_dir) as entries:
            names = [e.name for e in entries if not e.name.startswith(".") and e.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"the runs folder {runs_dir} cannot be read: {error.strerror}") from error
    return [run for run in (RunFolder(Path(runs_dir) / name) for name in names) if run.exists()]


def list_runs(runs_dir: Path) -> list[RunFolder]:
    """All runs of a folder, the newest first (see `started_at`).

    Raises:
        UserError: the folder cannot be read.
    """
    return newest_first(scan_runs(runs_dir))


def newest_first(runs: Iterable[RunFolder]) -> list[RunFolder]:
    return sorted(runs, key=lambda run: (started_at(run), run.name), reverse=True)


def elsewhere(runs: Iterable[RunFolder], runs_dir: Path) -> list[RunFolder]:
    """The registered ``runs`` that are not in ``runs_dir``."""
    here = Path(runs_dir).resolve()
    return [run for run in runs if run.path.parent != here]


class _Head(msgspec.Struct):
    kind: str
    time: float


_head = msgspec.json.Decoder(_Head)


def started_at(run: RunFolder) -> float:
    """When the run first started, or if it has not, when it was created, in Unix seconds."""
    try:
        with os.fdopen(open_regular(run.journal_path), "rb") as journal:
            lines = journal.read(JOURNAL_HEAD).splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            event = _head.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if event.kind == "run_started":
            return event.time
    return made_at(run)


def made_at(run: RunFolder) -> float:
    try:
        return run.recipe_path.stat().st_mtime
    except OSError:
        return 0.0


def find(runs_dir: Path, key: str | Path | None = None, *, prefixes_elsewhere: bool = True) -> RunFolder:
    """Find a run by its folder, its name, or a unique prefix of its name.

    Runs of ``runs_dir`` take precedence over registered ones of other folders; of several with the same name, a single
    live one is chosen. Without a key it is the newest of the folder's runs and all live ones, or else the newest
    registered run.

    Args:
        prefixes_elsewhere: whether a prefix also finds a run of another folder. False for what moves a run, where an
            abbreviation must not reach what the user does not see.

    Raises:
        UserError: no run or several runs match.
    """
    runs_dir = Path(runs_dir)
    if key is None:
        runs = newest_first([*scan_runs(runs_dir), *elsewhere(registry.live_runs(), runs_dir)])
        runs = runs or newest_first(registry.registered())
        if not runs:
            raise UserError(f"{runs_dir.absolute()} holds no runs; start one with: genre-tui train FOLDER")
        return runs[0]
    text = str(key)
    for path in (Path(text), runs_dir / text):
        if text and (run := RunFolder(path)).exists():
            return run
        if text and _is_forbidden(path):
            raise UserError(f"{path} may not be read by this user")
    here = scan_runs(runs_dir)
    others = elsewhere(registry.registered(), runs_dir) if text and "/" not in text else []
    for fitting in (
        [run for run in others if run.name == text],
        [run for run in here if run.name.startswith(text)],
        [run for run in others if run.name.startswith(text)],
    ):
        if len(fitting) > 1 and len(alive := [run for run in fitting if run.is_alive()]) == 1 and fitting[0] in others:
            fitting = alive
        if len(fitting) == 1:
            run = fitting[0]
            if not prefixes_elsewhere and run in others and run.name != text:
                raise UserError(f"{text!r} is the beginning of {run.name} in {run.path.parent}: give the whole name")
            return run
        if fitting:
            shown = ", ".join(str(run.path) if run in others else run.name for run in newest_first(fitting)[:3])
            raise UserError(
                f"{len(fitting)} runs begin with {text!r}: {shown}{', ...' if len(fitting) > 3 else ''}; "
                "give more of the name, or the folder"
            )
    raise UserError(
        f"no run in {runs_dir}, and none started from elsewhere, is called {text!r} or begins so; "
        "genre-tui runs --all lists them"
    )


def _is_forbidden(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return path.is_dir() and not os.access(path, os.R_OK | os.X_OK)


def slug(text: str) -> str:
    """Letters, digits and dashes, for a folder's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:LONGEST_SLUG].rstrip("-.") or "unnamed"
