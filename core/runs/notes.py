"""Notes about a run, stored in its folder: text, tags, and whether it is the baseline of the runs folder."""

import time

import msgspec

from core.runs.folder import RunFolder
from core.util.atomic import write_atomic
from core.util.errors import UserError, explained
from core.util.files import read_json
from core.util.text import UNSAFE

FILE = "notes.json"
LONGEST_NOTE = 10_000
LONGEST_TAG = 40


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    note: str = ""
    tags: list[str] = []
    pinned: float = 0.0
    """When it was pinned as the baseline, in Unix seconds; 0 if it was not. The run that was pinned last is the
    baseline, so pinning a run does not change other runs."""


def read_notes(run: RunFolder) -> Notes:
    """The run's notes; empty if there are none or they are damaged."""
    return read_json(run.path / FILE, Notes) or Notes()


def set_note(run: RunFolder, text: str) -> None:
    """Replace the text of a run's note; empty text removes it.

    Raises:
        UserError: the text is too long or holds control characters, or the folder cannot be written to.
    """
    text = text.strip()
    if len(text) > LONGEST_NOTE:
        raise UserError(f"a note has at most {LONGEST_NOTE:,} characters")
    if UNSAFE.search(text.replace("\n", " ").replace("\t", " ")):
        raise UserError("a note must not contain control characters")
    _write(run, msgspec.structs.replace(read_notes(run), note=text))


def change_tags(run: RunFolder, add: list[str], remove: list[str]) -> list[str]:
    """Add and remove tags; returns all tags of the run.

    Raises:
        UserError: a tag to add is invalid, or one to remove does not exist.
    """
    notes = read_notes(run)
    for tag in add:
        check_tag(tag)
    for tag in remove:
        if tag not in notes.tags:
            raise UserError(f"{run.name} has no tag {tag!r} (tags: {', '.join(notes.tags) or 'none'})")
    tags = sorted({*notes.tags, *add} - set(remove))
    _write(run, msgspec.structs.replace(notes, tags=tags))
    return tags


def check_tag(tag: str) -> None:
    """Check that a text can be a tag: one printable word without a comma.

    Raises:
        UserError: it cannot.
    """
    if not tag or len(tag) > LONGEST_TAG or tag.startswith("-") or not tag.isprintable() or "," in tag or " " in tag:
        raise UserError(
            f"{tag!r} cannot be a tag: it must be one word of at most {LONGEST_TAG} printable characters, without a "
            "comma or a dash in front"
        )


def pin(run: RunFolder) -> None:
    """Make the run the baseline of its folder.

    Raises:
        UserError: the folder cannot be written to.
    """
    _write(run, msgspec.structs.replace(read_notes(run), pinned=time.time()))


def unpin(run: RunFolder) -> None:
    """Undo `pin`.

    Raises:
        UserError: the folder cannot be written to.
    """
    _write(run, msgspec.structs.replace(read_notes(run), pinned=0.0))


def _write(run: RunFolder, notes: Notes) -> None:
    with explained(f"{run.path / FILE} cannot be written"):
        write_atomic(run.path / FILE, msgspec.json.encode(notes))
