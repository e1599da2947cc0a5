"""Where runs are: a folder of runs (creating, listing and finding them), and the user's registry of runs in any folder.

The registry is in the state folder: a link per run, created when its trainer is launched, so that the run is found from
any directory, and the model chosen for each runs folder. A link to a run that no longer exists is removed when it is
read.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from core.runs.folder import TRASH, RunFolder, checked_name
from core.util.atomic import write_atomic
from core.util.errors import UserError, explained
from core.util.files import open_regular, read_json
from core.util.paths import state_folder


def registry_folder() -> Path:
    return state_folder() / "runs"


def register(run: RunFolder) -> None:
    """Register a run. Errors are ignored, because they must not prevent training."""
    with contextlib.suppress(OSError):
        link = _link(run.path)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(run.path.resolve())


def is_registered(path: Path) -> bool:
    return _link(path).is_symlink()


def registered() -> list[RunFolder]:
    """The registered runs, in no particular order, without inaccessible ones."""
    found = []
    for link, run in _links():
        with contextlib.suppress(OSError):
            if run.exists():
                found.append(run)
            elif _is_gone(run.path):
                link.unlink()
    return found


def live_runs() -> list[RunFolder]:
    """The registered runs that have a trainer."""
    return [run for _, run in _links() if run.is_alive()]


def _link(path: Path) -> Path:
    """The link for a folder, which is the same for all paths to it."""
    return registry_folder() / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:20]


def _links() -> Iterator[tuple[Path, RunFolder]]:
    """Yield each link and its run."""
    with contextlib.suppress(OSError), os.scandir(registry_folder()) as entries:
        for entry in entries:
            if entry.is_symlink():  # other files are not registrations
                link = Path(entry.path)
                yield link, RunFolder(link.readlink())


def _is_gone(path: Path) -> bool:
    """Whether the run no longer exists, as opposed to being inaccessible to this user."""
    try:
        path.stat()
        list(os.scandir(path))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return True


class Choice(msgspec.Struct, frozen=True):
    """The model chosen for a runs folder: a run by its name, or a model file by its absolute path."""

    run: str = ""
    file: str = ""


def read_choice(runs_dir: Path) -> Choice | None:
    choice = read_json(choice_file(runs_dir), Choice)
    return choice if choice and (choice.run or choice.file) else None


def write_choice(runs_dir: Path, choice: Choice | None) -> None:
    """Store the choice; None removes it.

    Raises:
        OSError: the state folder cannot be written to.
    """
    file = choice_file(runs_dir)
    if choice is None:
        file.unlink(missing_ok=True)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, msgspec.json.encode(choice))


def choice_file(runs_dir: Path) -> Path:
    folder = runs_dir.resolve()
    digest = hashlib.sha1(os.fsencode(folder)).hexdigest()
    return state_folder() / "models" / f"{folder.name[:100]}-{digest[:8]}.json"


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
        runs = newest_first([*scan_runs(runs_dir), *elsewhere(live_runs(), runs_dir)])
        runs = runs or newest_first(registered())
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
    others = elsewhere(registered(), runs_dir) if text and "/" not in text else []
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
