"""What a user changed on one run's view, kept between visits.

It lies in the user's own folder and not in the run's, which has one writer: the trainer. A file from an older or newer
version, or a damaged one, gives what can be understood of it and defaults for the rest.
"""

import contextlib
import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec

from core.util.atomic import write_atomic
from core.util.dirs import state_folder

View = TypeVar("View", bound=msgspec.Struct)


def load(run: Path, kind: type[View]) -> View:
    """The kept view of the run in folder ``run``; ``kind`` is a struct whose fields all have defaults."""
    try:
        plain = msgspec.json.decode(_place(run).read_bytes())
    except (OSError, msgspec.DecodeError):
        return kind()
    if not isinstance(plain, dict):
        return kind()
    fields = {}
    for field in msgspec.structs.fields(kind):
        with contextlib.suppress(msgspec.ValidationError, KeyError):
            fields[field.name] = msgspec.convert(plain[field.encode_name], field.type)
    return kind(**fields)


def save(run: Path, view: msgspec.Struct) -> None:
    """Keep a view. Where the folder cannot be written to, it lasts as long as the app."""
    with contextlib.suppress(OSError):
        place = _place(run)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, msgspec.json.encode(view))


def _place(run: Path) -> Path:
    path = str(Path(run).resolve())
    return state_folder() / "views" / f"{Path(run).name}-{hashlib.sha1(path.encode()).hexdigest()[:8]}.json"
