"""Snapshots of the state of long journals, so that opening one again reads only new events.

A snapshot is a cache. It is valid only for a journal that begins with the same bytes, and for the code that wrote it;
otherwise the journal is read from its beginning.
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
"""File name in the run folder."""
WORTHWHILE = 8 * 1024 * 1024
"""Smallest journal with a snapshot. Checking a snapshot takes a tenth of the time of reading the journal."""
LARGEST = 64 * 1024 * 1024
BLOCK = 1024 * 1024


class Snapshot(msgspec.Struct, frozen=True):
    code: str
    """The result of `_code` when it was written."""
    position: int
    """Bytes of the journal that it covers, which are complete lines."""
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
    """The snapshot of ``journal``; None if there is no valid one."""
    try:
        with os.fdopen(open_regular(journal.with_name(NAME)), "rb") as file:
            snapshot = _decoder.decode(file.read(LARGEST))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if snapshot.code != _code() or checksum(journal, snapshot.position) != snapshot.checksum:
        return None
    return snapshot


def save_snapshot(journal: Path, position: int, bad_lines: int, unknown_kinds: int, state: RunState) -> None:
    """Write a snapshot; errors are ignored."""
    crc = checksum(journal, position)
    if crc is None:
        return
    try:
        content = _encoder.encode(Snapshot(_code(), position, crc, bad_lines, unknown_kinds, state))
        write_atomic(journal.with_name(NAME), content, sync=False)
    except (OSError, OverflowError):
        pass  # the folder is read-only, the disk is full, or a number in the recipe cannot be encoded


def checksum(journal: Path, size: int) -> int | None:
    """CRC-32 of the first ``size`` bytes; None if the journal is shorter or cannot be read."""
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
    """A hash of the modules that define a state, whose changes invalidate snapshots."""
    digest = blake2b(digest_size=16)
    for name in ("events", "history", "journal", "log_lines", "reducer", "state", "timing"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()
