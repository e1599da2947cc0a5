"""Reads a TensorFlow checkpoint (a "tensor bundle") without TensorFlow.

A bundle is two files. The index is a LevelDB table: blocks of sorted keys with shared prefixes, found through an index
block, which a footer points to. Its values are protocol buffers that say where each tensor is in the data file, which
holds raw little-endian numbers. Everything in both is checked before it is used; nothing in them is executed. Sources:
``table_format.md`` of LevelDB and ``tensor_bundle.proto`` of TensorFlow.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

FOOTER = 48
MAGIC = bytes.fromhex("57fb808b247547db")
TRAILER = 5
"""Bytes after a block: its kind of compression and a checksum."""
MOST_DIMENSIONS = 8
DTYPES: Mapping[int, str] = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""TensorFlow's number of a type → numpy's name."""
Fields = dict[int, list[int | bytes]]


def read_bundle(index: bytes, data: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """The tensors of a checkpoint by name; the arrays are views of ``data``.

    Args:
        index: the content of the ``.index`` file.
        data: the content of its only ``.data-00000-of-00001`` file.

    Raises:
        ValueError: one of them is damaged, or uses a feature that this reader lacks; the message says which.
    """
    tensors = {}
    for key, value in _entries(index):
        fields = _fields(value)
        if not key:
            if _number(fields, 1, default=1) != 1 or _number(fields, 2) != 0:
                raise ValueError("it has several data files, or big-endian numbers")
            continue
        name = key.decode("utf-8", "replace")
        tensors[name] = _tensor(name, fields, data)
    return tensors


def _tensor(name: str, fields: Fields, data: bytes) -> npt.NDArray[np.generic]:
    number = _number(fields, 1)
    if number not in DTYPES:
        raise ValueError(f"{name!r} has the type {number}, which is not supported")
    if 7 in fields:
        raise ValueError(f"{name!r} is stored in slices, which is not supported")
    shape = tuple(_number(_fields(dimension), 1) for dimension in _messages(_fields(_message(fields, 2)), 2))
    dtype = np.dtype(DTYPES[number])
    offset, size = _number(fields, 4), _number(fields, 5)
    if len(shape) > MOST_DIMENSIONS or max(shape, default=0) > size or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{name!r} has {size:,} bytes, which is not what its shape says")
    if offset + size > len(data):
        raise ValueError(f"{name!r} lies beyond the end of the data")
    return np.frombuffer(data, dtype, count=math.prod(shape), offset=offset).reshape(shape)


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a LevelDB table, in order."""
    if len(table) < FOOTER or table[-len(MAGIC) :] != MAGIC:
        raise ValueError("its index is not a table")
    footer = table[-FOOTER:]
    _, at = _handle(footer, 0)  # of the meta index
    index, _ = _handle(footer, at)
    for _, value in _block(table, *index):
        handle, _ = _handle(value, 0)
        yield from _block(table, *handle)


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and where the handle ends."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if offset + size + TRAILER > len(table):
        raise ValueError("a block of its index lies beyond the end")
    if table[offset + size] != 0:
        raise ValueError("its index is compressed, which is not supported")
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little") if len(block) >= 4 else 0
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise ValueError("a block of its index is damaged")
    key, at = b"", 0
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError("a block of its index is damaged")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _fields(message: bytes) -> Fields:
    """The fields of a protocol buffer: numbers for varints and fixed widths, bytes for everything else."""
    fields: Fields = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value: int | bytes
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
            case 2:
                length, at = _varint(message, at)
                value, at = _bytes(message, at, length), at + length
            case 1 | 5 as kind:
                width = 8 if kind == 1 else 4
                value, at = int.from_bytes(_bytes(message, at, width), "little"), at + width
            case kind:
                raise ValueError(f"an entry has a field of the unknown kind {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: Fields, field: int, default: int = 0) -> int:
    value = fields.get(field, [default])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {field} of an entry is not a number")
    return value


def _message(fields: Fields, field: int) -> bytes:
    return (_messages(fields, field) or [b""])[-1]


def _messages(fields: Fields, field: int) -> list[bytes]:
    values = fields.get(field, [])
    messages = [value for value in values if isinstance(value, bytes)]
    if len(messages) < len(values):
        raise ValueError(f"field {field} of an entry is not a message")
    return messages


def _bytes(data: bytes, at: int, count: int) -> bytes:
    if at + count > len(data):
        raise ValueError("an entry is cut off")
    return data[at : at + count]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits per byte, low first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise ValueError("a number is cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError("a number has more than 64 bits")
