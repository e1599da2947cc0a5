"""Writes TensorFlow checkpoints as TensorFlow does, for tests of the reader: prefixes shared, several blocks."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

MAGIC = bytes.fromhex("57fb808b247547db")
TYPES = {"<f4": 1, "<f8": 2, "<i4": 3}
Entry = tuple[bytes, bytes]


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries: Sequence[Entry], restart_every: int = 2) -> bytes:
    out, restarts, last = b"", [], b""
    for i, (key, value) in enumerate(entries):
        shared = 0
        if i % restart_every == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(last), len(key)) and last[shared] == key[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    return out + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(entries: Sequence[Entry], per_block: int = 3) -> bytes:
    """A LevelDB table without compression; its checksums are zeros, which no reader here looks at."""
    out, index = b"", []

    def add(content: bytes) -> bytes:
        nonlocal out
        handle = varint(len(out)) + varint(len(content))
        out += content + bytes(5)
        return handle

    for first in range(0, len(entries), per_block):
        part = entries[first : first + per_block]
        index.append((part[-1][0], add(block(part))))
    footer = add(block([])) + add(block(index))
    return out + footer.ljust(40, b"\0") + MAGIC


def entry(values: npt.NDArray[np.generic], offset: int) -> bytes:
    shape = b"".join(field(2, field(1, size)) for size in values.shape)
    checksum = varint(6 << 3 | 5) + bytes(4)
    return field(1, TYPES[values.dtype.str]) + field(2, shape) + field(4, offset) + field(5, values.nbytes) + checksum


def bundle(tensors: Mapping[str, npt.NDArray[np.generic]]) -> tuple[bytes, bytes]:
    """The index and the data file of a checkpoint."""
    entries, data = [(b"", field(1, 1) + field(3, field(1, 1)))], b""
    for name, values in sorted(tensors.items()):
        entries.append((name.encode(), entry(values, len(data))))
        data += values.tobytes()
    return table(entries), data
