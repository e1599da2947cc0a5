"""The state that a long journal has led to so far, beside it, so that opening it again takes in only what is new.

A snapshot is a cache: it counts only for a journal that begins with the very bytes it was made of, and for the code
that made it. Whatever is wrong with it, the journal is read from its beginning.
"""

import os
import zlib
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from core.runs.journal.history import EpochRow, History
from core.runs.journal.state import RunState
from core.util.atomic import write_atomic
from core.util.files import open_regular

NAME = "events.state"
"""In the run folder."""
WORTHWHILE = 8 * 1024 * 1024
"""Bytes of a journal that are worth a snapshot: it takes about as long to check as a tenth of them to read."""
LARGEST = 64 * 1024 * 1024
BLOCK = 1024 * 1024


class Snapshot(msgspec.Struct, frozen=True):
    code: str
    """`_code` of the program that made it."""
    position: int
    """Bytes of the journal that have been taken in: whole lines."""
    checksum: int
    """Their CRC-32."""
    bad_lines: int
    unknown_kinds: int
    state: RunState


def _rows(history: Any) -> list[EpochRow]:
    """What a snapshot stores of a state's history."""
    return list(history)


def _history(kind: type, rows: Any) -> History:
    return History(msgspec.convert(rows, list[EpochRow]))


_encoder = msgspec.msgpack.Encoder(enc_hook=_rows)
_decoder = msgspec.msgpack.Decoder(Snapshot, dec_hook=_history)


def load_snapshot(journal: Path) -> Snapshot | None:
    """The snapshot of ``journal``, if there is one that holds for it."""
    try:
        with os.fdopen(open_regular(journal.with_name(NAME)), "rb") as file:
            snapshot = _decoder.decode(file.read(LARGEST))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if snapshot.code != _code() or checksum(journal, snapshot.position) != snapshot.checksum:
        return None
    return snapshot


def save_snapshot(journal: Path, position: int, bad_lines: int, unknown_kinds: int, state: RunState) -> None:
    """Writes one, where that is possible."""
    crc = checksum(journal, position)
    if crc is None:
        return
    try:
        content = _encoder.encode(Snapshot(_code(), position, crc, bad_lines, unknown_kinds, state))
        write_atomic(journal.with_name(NAME), content, sync=False)
    except (OSError, OverflowError):
        pass  # a folder that only others may write to, a full disk, or a number in a recipe that no format holds


def checksum(journal: Path, size: int) -> int | None:
    """CRC-32 of the first ``size`` bytes; None where there are not as many, or the journal cannot be read."""
    crc, left = 0, size
    try:
        with os.fdopen(open_regular(journal), "rb", buffering=0) as file:
            while left > 0 and (block := file.read(min(BLOCK, left))):
                crc = zlib.crc32(block, crc)
                left -= len(block)
    except OSError:
        return None
    return crc if left == 0 else None


@cache
def _code() -> str:
    """A hash of the modules that make a state, any change of which makes snapshots worthless."""
    digest = blake2b(digest_size=16)
    for name in ("events", "history", "journal", "log_lines", "reducer", "state", "timing"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()
