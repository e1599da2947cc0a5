"""What is needed to make the earlier content of a file from its present one.

An edited tag moves the sound behind it; the difference is a list of pieces, each either a part of the new file or bytes
that are no longer in it. For a changed genre that is a few hundred bytes, however large the file.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

Piece = tuple[int, int] | bytes
"""Position and length in the new file, or the bytes themselves."""
_SHORTEST = 32
"""Bytes that have to agree before they are copied."""
_STEP = 16
_WINDOW = 1 << 18
"""How far a moved part is looked for."""
_SHIFTS = 8
"""How many moves are tried at each place."""
_BLOCK = 1 << 20


def difference(earlier: Path, now: Path) -> list[Piece]:
    """The pieces of ``now`` that give ``earlier``."""
    pieces: list[Piece] = []
    literal = bytearray()
    with earlier.open("rb") as old_file, now.open("rb") as new_file:
        old, new = old_file.fileno(), new_file.fileno()
        size = os.fstat(old).st_size
        shifts = sorted({0, os.fstat(new).st_size - size})
        at = 0
        while at < size:
            shift, length = _longest_match(old, new, at, shifts)
            if length >= min(_SHORTEST, size - at):
                shifts.remove(shift)
                shifts.insert(0, shift)
                if literal:
                    pieces.append(bytes(literal))
                    literal.clear()
                pieces.append((at + shift, length))
                at += length
            elif (found := _find(old, new, at)) is not None and found not in shifts:
                shifts.insert(0, found)
                del shifts[_SHIFTS:]
            else:
                literal += os.pread(old, _STEP, at)
                at = min(at + _STEP, size)
    if literal:
        pieces.append(bytes(literal))
    return pieces


def restore(now: Path, pieces: list[Piece], out: BinaryIO) -> None:
    """Writes the earlier content to ``out``."""
    with now.open("rb") as new:
        for piece in pieces:
            if isinstance(piece, bytes):
                out.write(piece)
                continue
            at, left = piece
            new.seek(at)
            while left and (data := new.read(min(left, _BLOCK))):
                out.write(data)
                left -= len(data)


def digest(path: Path) -> str:
    """BLAKE2 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _longest_match(old: int, new: int, at: int, shifts: list[int]) -> tuple[int, int]:
    matches = ((shift, _equal_bytes(old, at, new, at + shift)) for shift in shifts if at + shift >= 0)
    return max(matches, key=lambda match: match[1])


def _equal_bytes(old: int, at: int, new: int, new_at: int) -> int:
    """How many bytes agree from the two places on."""
    equal, size = 0, 2 * _SHORTEST
    while True:
        ours, theirs = os.pread(old, size, at + equal), os.pread(new, size, new_at + equal)
        if ours != theirs or not ours:
            return equal + _common(ours, theirs)
        equal += len(ours)
        size = min(4 * size, _BLOCK)


def _common(ours: bytes, theirs: bytes) -> int:
    """The length of the common beginning, by bisection."""
    low, high = 0, min(len(ours), len(theirs))
    while low < high:
        middle = (low + high + 1) // 2
        if ours[low:middle] == theirs[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _find(old: int, new: int, at: int) -> int | None:
    """How far the next bytes have moved, if they have not moved far."""
    wanted = os.pread(old, _SHORTEST, at)
    start = max(0, at - _WINDOW)
    place = os.pread(new, 2 * _WINDOW, start).find(wanted) if len(wanted) == _SHORTEST else -1
    return None if place < 0 else start + place - at
