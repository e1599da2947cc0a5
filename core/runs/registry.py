"""The user's registry in the state folder: runs that were started, and the model chosen for each runs folder.

There is one link per run, created when its trainer is launched, so that the run is found from any directory. A link to
a run that no longer exists is removed when it is read.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.runs.folder import RunFolder
from core.util.atomic import write_atomic
from core.util.files import read_json
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
