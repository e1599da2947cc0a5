"""Feature packs: datasets of spectrograms without audio."""

import hashlib
import math
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import psutil
import torch

from core.dataset.clip import Clip, DatasetError, ExcerptRule, Excluded, OnNote, OnProgress, searched_seconds
from core.dataset.matching import match
from core.dataset.metadata import read_table
from core.dataset.pack_manifest import FEATURES, is_pack, read_pack_index, write_pack_index
from core.dataset.scan import scan
from core.dataset.settings import LabelSettings
from core.dataset.store.extract import OnFeatures, compute_features
from core.dataset.store.feature_set import DiskArray, FeatureSet
from core.features.settings import FrontEndSettings
from core.util.errors import first_line, reason
from core.util.files import open_regular
from core.util.paths import name_fault
from core.util.text import printable

ARCHIVE_FRONT_END = FrontEndSettings(hop_length=1709, top_db=80.0, mel_scale="slaney", mel_norm="slaney")
"""The front end of the gtzan-logmel archive; ``seconds`` follows from the archive."""
ROWS_A_COPY = 256
ARCHIVE_ERRORS = (OSError, EOFError, KeyError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)
"""Exceptions that zipfile and NumPy raise for damaged archives."""


def pack(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: FrontEndSettings,
    *,
    labels: LabelSettings | None = None,
    excerpts: ExcerptRule = "first",
    device: torch.device | str = "cpu",
    on_scanning: OnProgress | None = None,
    on_features: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> list[Excluded]:
    """Write the spectrograms of a dataset to the new folder ``out``; returns the files that were left out.

    The pack includes the genres and all columns of the label source ``labels``, which is reported to ``on_note``, and
    the ``excerpts`` of each clip.

    Raises:
        DatasetError: the folder cannot be trained on, is a pack already, or has no clip with a spectrogram; or ``out``
            exists and is not empty.
        UserError: the disk is full.
    """
    if is_pack(Path(folder)):
        raise DatasetError(f"{printable(folder)} is a feature pack already: train on it as it is, or copy the folder.")
    _check_free(Path(out))  # first, because computing features may take hours
    seconds = searched_seconds(FrontEndSettings().seconds, excerpts)
    found = scan(folder, labels=labels, seconds=seconds, on_progress=on_scanning)
    for note in [found.label_source, *found.notes]:
        if on_note:
            on_note(note)
    features, failed = compute_features(
        found.clips, settings, excerpts=excerpts, device=device, on_progress=on_features
    )
    if not len(features):
        raise DatasetError(
            f"No clip of {printable(found.root)} can be packed: {failed[0].path}, the first of {len(failed)}, "
            f"{failed[0].reason}."
        )
    assert isinstance(features.mel, DiskArray)
    with _new_folder(Path(out)) as making:
        mel = np.lib.format.open_memmap(making / FEATURES, "w+", np.uint8, features.mel.shape)
        for begin in range(0, len(features.mel), ROWS_A_COPY):
            mel[begin : begin + ROWS_A_COPY] = features.mel[slice(begin, begin + ROWS_A_COPY)].numpy()
        mel.flush()
        checksums = [zlib.crc32(row.data) for row in mel]
        frames = features.frames.tolist()
        source = f"{printable(found.root)}; {found.label_source}"
        counts: list[int] = features.excerpts.count_N.tolist()
        write_pack_index(making, settings, features.clips, counts, frames, checksums, source)
        open_pack(making)  # what cannot be read again is not put in place
    return found.excluded + failed


def import_archive(
    archive: str | os.PathLike[str],
    out: str | os.PathLike[str],
    index: str | os.PathLike[str] | None = None,
    settings: FrontEndSettings = ARCHIVE_FRONT_END,
    *,
    on_note: OnNote | None = None,
) -> FeatureSet:
    """Convert an ``.npz`` with ``X`` (N, M, T) uint8, ``name`` and ``genre`` to the pack ``out``, and open it.

    ``settings`` is the front end with which the archive was made; its ``seconds`` is set to match the frames. The
    columns of ``index`` are included. Bytes are not changed: 255 is a clip's maximum, and 0 is ``top_db`` below it.
    This is accurate to half a step for clips that reach the floor. Clips that never do were stretched to the full
    range when the archive was made, by an unknown factor, so train with a standardisation that is invariant to scale
    and offset per window.

    Raises:
        DatasetError: the archive has another shape or no clips, the index names none of them, or ``out`` exists and is
            not empty.
    """
    _check_free(Path(out))
    mel, names, genres = _read_archive(Path(archive))
    if mel.shape[1] != settings.n_mels:
        raise DatasetError(f"{printable(archive)} has {mel.shape[1]} mel bands, and the front end {settings.n_mels}.")
    settings = _lasting(settings, mel.shape[2])
    columns = _columns(index, [f"{genre}/{name}" for name, genre in zip(names, genres, strict=True)], on_note)
    clips = [
        _archived(str(name), str(genre), row, settings, own)
        for name, genre, row, own in zip(names, genres, mel, columns, strict=True)
    ]
    with _new_folder(Path(out)) as making:
        np.save(making / FEATURES, np.ascontiguousarray(mel))
        checksums = [zlib.crc32(np.ascontiguousarray(row).data) for row in mel]
        frames = [mel.shape[2]] * len(clips)
        write_pack_index(making, settings, clips, [1] * len(clips), frames, checksums, printable(archive))
        open_pack(making)  # what cannot be read again is not put in place
    return open_pack(out)


def _columns(index: str | os.PathLike[str] | None, files: list[str], on_note: OnNote | None) -> list[dict[str, str]]:
    """The row of ``index`` for each clip of an archive; empty if there is none.

    Raises:
        DatasetError: the index names none of them.
    """
    if index is None:
        return [{}] * len(files)
    metadata = match(read_table(Path(index)), files)
    if not any(metadata.rows):
        strangers = metadata.unmatched + metadata.ambiguous
        example = f", such as {strangers[0]!r}," if strangers else ""
        raise DatasetError(
            f"The index {printable(index)} names none of the archive's clips: its names{example} should be those of "
            f"the archive, such as {files[0].rpartition('/')[2]!r}."
        )
    if on_note:
        for note in metadata.notes:
            on_note(note)
    return metadata.rows


def open_pack(folder: str | os.PathLike[str]) -> FeatureSet:
    """The spectrograms of a pack; they stay on disk.

    Raises:
        DatasetError: it is damaged.
    """
    folder = Path(folder)
    index = read_pack_index(folder)
    expected = (len(index.frames), index.front_end.n_mels, index.front_end.frames)
    mel = DiskArray(
        folder / FEATURES,
        expected[1:],
        range(len(index.frames)),
        offset=_offset(folder, expected),
        checksums=index.checksums,
    )
    genres = sorted({clip.genre for clip in index.clips})
    labels = torch.tensor([genres.index(clip.genre) for clip in index.clips])
    counts = torch.tensor(index.counts)
    return FeatureSet(mel, torch.tensor(index.frames), labels, genres, index.clips, index.front_end, counts)


def open_clips(folder: Path, clips: Sequence[Clip]) -> FeatureSet:
    """The spectrograms of some clips of a pack, whose genres and columns may differ from the pack's; they stay on disk.

    Args:
        clips: some of the pack's clips, in its order.

    Raises:
        DatasetError: the pack is damaged.
    """
    index = read_pack_index(folder)
    ahead = iter(enumerate(index.clips))
    kept = [next(i for i, own in ahead if _same(own, clip)) for clip in clips]
    first = [0, *accumulate(index.counts)]
    rows = [row for i in kept for row in range(first[i], first[i + 1])]
    whole = open_pack(folder)
    assert isinstance(whole.mel, DiskArray)
    genres = sorted({clip.genre for clip in clips})
    return FeatureSet(
        whole.mel.some(rows),
        whole.frames[rows],
        torch.tensor([genres.index(clip.genre) for clip in clips]),
        genres,
        list(clips),
        index.front_end,
        torch.tensor([index.counts[i] for i in kept]),
    )


def _same(own: Clip, clip: Clip) -> bool:
    return (own.path, own.content) == (clip.path, clip.content)


def _offset(folder: Path, expected: tuple[int, int, int]) -> int:
    """The offset of the first row in bytes; the shape is checked against the index."""
    try:
        with os.fdopen(open_regular(folder / FEATURES), "rb") as file:
            np.lib.format.read_magic(file)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            offset, size = file.tell(), file.seek(0, os.SEEK_END)
    except (OSError, ValueError) as error:
        raise DatasetError(f"The feature pack {printable(folder)} is damaged: {reason(error)}.") from error
    if shape != expected or fortran or dtype != np.uint8 or size < offset + math.prod(expected):
        raise DatasetError(f"The feature pack {printable(folder)} is damaged: {FEATURES} does not match the index.")
    return offset


def _read_archive(archive: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any], npt.NDArray[Any]]:
    """Read and check X, name and genre.

    Raises:
        DatasetError: one of them is missing, damaged or of another type.
    """
    name = printable(archive)
    if not archive.is_file():
        raise DatasetError(f"The file {name} does not exist.")
    if not zipfile.is_zipfile(archive):
        raise DatasetError(
            f"{name} is not an .npz archive: make one with numpy.savez(path, X=mel, name=names, genre=genres)."
        )
    try:
        with zipfile.ZipFile(archive) as parts:
            for key in ("X", "name", "genre"):
                _check_member(parts, f"{key}.npy")
            if (damaged := parts.testzip()) is not None:  # NumPy does not check checksums
                raise ValueError(f"{damaged} is damaged: its checksum is wrong")
        with np.load(archive, allow_pickle=False) as arrays:
            mel, names, genres = (np.asarray(arrays[key]) for key in ("X", "name", "genre"))
    except ARCHIVE_ERRORS as error:
        raise DatasetError(f"{name} is not an archive of X, name and genre: {first_line(error)}.") from error
    except MemoryError as error:
        raise DatasetError(f"{name} does not fit into memory.") from error
    if mel.dtype != np.uint8 or mel.ndim != 3:
        raise DatasetError(f"{name} should hold X as bytes of [clips, mels, frames], and not {mel.dtype} {mel.shape}.")
    if 0 in mel.shape:
        raise DatasetError(f"{name} holds no clips, or clips without bands or frames: X is {mel.shape}.")
    for key, texts in (("name", names), ("genre", genres)):
        if texts.shape != (len(mel),) or texts.dtype.kind not in "Uiu":
            raise DatasetError(
                f"{name} should hold {key} as {len(mel)} texts, one for each clip, and not {texts.dtype} {texts.shape}."
            )
        for text in map(str, texts):
            if fault := name_fault(text):
                raise DatasetError(f"{name} cannot be imported: the {key} {printable(text)!r} {fault}.")
    return mel, names, genres


def _check_member(archive: zipfile.ZipFile, name: str) -> None:
    """
    Raises:
        ValueError: the array's shape does not fit its bytes, or they do not fit into memory.
    """
    size = archive.getinfo(name).file_size
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        # Python's integers do not overflow, unlike NumPy's.
        held, expected = size - file.tell(), math.prod(map(int, shape)) * dtype.itemsize
    if min(shape, default=0) < 0 or (held != expected and not dtype.hasobject):
        raise ValueError(f"{name} is declared as {dtype} {shape} but has {held:,} bytes")
    if size > psutil.virtual_memory().available:
        raise ValueError(f"{name} needs {size / 1e9:,.1f} GB of memory, more than is free")


def _lasting(settings: FrontEndSettings, frames: int) -> FrontEndSettings:
    """The settings for clips of exactly ``frames`` frames.

    Raises:
        DatasetError: there are none, which can happen for hops of one or two samples.
    """
    seconds = round((frames - 0.5) * settings.hop_length / settings.sample_rate, 3)
    lasting = msgspec.structs.replace(settings, seconds=seconds) if seconds > 0 else settings
    if lasting.frames != frames:
        raise DatasetError(
            f"A front end with hops of {settings.hop_length} of {settings.sample_rate} samples a second has no clips "
            f"of {frames} frames: give the hop length and the sample rate that the archive was made with."
        )
    return lasting


def _archived(
    name: str, genre: str, mel: npt.NDArray[np.uint8], settings: FrontEndSettings, columns: dict[str, str]
) -> Clip:
    return Clip(
        path=Path(name),
        genre=genre,
        name=name,
        content=hashlib.blake2b(mel.tobytes(), digest_size=16).hexdigest(),
        rate=settings.sample_rate,
        channels=1,
        format="log-mel",
        duration_s=settings.seconds,
        columns=columns,
    )


def _check_free(out: Path) -> None:
    """
    Raises:
        DatasetError: ``out`` exists and is not empty, or is the working folder, which cannot be replaced.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir()) or out.samefile(Path.cwd())):
        raise DatasetError(f"{printable(out)} already exists: choose a new folder for the feature pack.")


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Create a temporary folder that becomes ``out`` when it is complete."""
    _check_free(out)
    making = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        making.mkdir(parents=True)
        yield making
        making.replace(out)
    except OSError as error:
        raise DatasetError(f"The feature pack cannot be written to {printable(out)}: {error.strerror}.") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
