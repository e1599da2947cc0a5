"""Archives are read in place like folders; hostile and damaged ones are one line, and nothing is unpacked."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from core.audio.files.decode import decode
from core.audio.files.open_file import AudioError, open_file
from core.dataset.clip import DatasetError
from core.dataset.load import load_dataset
from core.dataset.scan import Scan, scan, survey
from core.dataset.settings import LabelSettings, SplitSettings
from core.features.settings import FrontEndSettings
from core.inference.batch.find_files import find_files
from core.util.archive.gzip_reader import Checkpoints, GzipReader
from core.util.archive.path import ArchivePath, archive_faults, as_path, folder_above, without_suffix
from tests.support.music import sound, table, tagged
from tests.support.sounds import write

FRONT_END = FrontEndSettings(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, seconds=0.6)
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


def packed(folder: Path, archive: Path, above: str = "") -> Path:
    """An archive of all files in ``folder``, under ``above``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [f"{above}{path.relative_to(folder)}" for path in files]
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for path, name in zip(files, names, strict=True):
                zipped.write(path, name)
    else:
        with tarfile.open(archive, "w" if archive.suffix == ".tar" else "w:gz") as tar:
            for path, name in zip(files, names, strict=True):
                tar.add(path, name)
    return archive


def genres(root: Path) -> Path:
    for number, genre in enumerate(("rock", "jazz") * 3):
        sound(root / genre / f"{number}.wav", number)
    return root


def summary(found: Scan) -> list[tuple[str, str, str]]:
    return [(clip.genre, clip.name, clip.content) for clip in found.clips]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("above", ["", "music/"])
def test_an_archive_gives_what_its_folder_does(suffix: str, above: str, tmp_path: Path) -> None:
    folder = genres(tmp_path / "music")
    (tmp_path / "packed").mkdir()
    archive = packed(folder, tmp_path / "packed" / f"music{suffix}", above)
    found = scan(archive, seconds=0.6)
    assert summary(found) == summary(scan(folder, seconds=0.6))
    assert found.label_source == "labels: a folder per genre; 6 files of 2 genres"
    split = SplitSettings(fractions=(0.4, 0.3, 0.3))
    dataset = load_dataset(archive, FRONT_END, split, labels=found.labels)
    assert len(dataset.features) == 6
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    listed = [str(path) for path in find_files([archive])]
    assert listed == [str(archive / above / path.relative_to(folder)) for path in sorted(folder.rglob("*.wav"))]


def test_tables_tags_and_collections_are_found_in_archives(tmp_path: Path) -> None:
    library = tmp_path / "library"
    for number, genre in enumerate(("Rock", "Jazz")):
        tagged(library / f"Band {number}" / "Album" / "01.flac", number, genre=genre, artist=f"Band {number}")
    tags = scan(packed(library, tmp_path / "library.tar.gz"), seconds=0.6)
    assert tags.label_source == "labels: the files' tags; 2 of 2 files have a genre"
    beside = tmp_path / "beside"
    for number in range(4):
        sound(beside / "audio" / f"{number}.wav", number)
    table(beside / "metadata.csv", [{"file": f"{n}.wav", "genre": "ab"[n % 2], "artist": "x"} for n in range(4)])
    found = scan(packed(beside, tmp_path / "beside.zip", "data/"), seconds=0.6)
    assert found.label_source == "labels: metadata.csv, column genre; 4 of 4 files matched"
    assert found.clips[0].columns["artist"] == "x"
    assert found.labels.source == str(tmp_path / "beside.zip" / "data" / "metadata.csv")
    assert summary(scan(tmp_path / "beside.zip", labels=found.labels, seconds=0.6)) == summary(found)


def test_fma_as_two_zip_archives_side_by_side(tmp_path: Path) -> None:
    small, metadata = tmp_path / "unpacked", tmp_path / "metadata"
    lines = [",track,set", ",genre_top,split", "track_id,,", "2,Rock,training", "3,Jazz,test"]
    metadata.mkdir()
    (metadata / "tracks.csv").write_text("\n".join(lines))
    for number in (2, 3):
        sound(small / "000" / f"{number:06}.mp3", number)
    packed(metadata, tmp_path / "fma_metadata.zip", "fma_metadata/")
    found = survey(packed(small, tmp_path / "fma_small.zip", "fma_small/"), seconds=0.6)
    assert found.label_source == "labels: tracks.csv, column genre_top; 2 of 2 files matched"
    assert [clip.genre for clip in found.clips] == ["Jazz", "Rock"]


def test_paths_into_archives_behave_like_paths(tmp_path: Path) -> None:
    folder = tmp_path / "music"
    table(folder / "a" / "t.csv", [{"x": "1"}])
    archive = as_path(packed(folder, tmp_path / "m.ZIP".lower()))
    assert isinstance(archive, ArchivePath)
    assert archive.is_dir() and not archive.is_file()
    inner = archive / "a" / "t.csv"
    assert inner.is_file() and inner.exists() and not (archive / "b").exists()
    assert inner.read_bytes() == (folder / "a" / "t.csv").read_bytes()
    assert inner.read_text() == (folder / "a" / "t.csv").read_text()
    assert [path.name for path in archive.iterdir()] == ["a"]
    assert stat.S_ISREG(inner.stat().st_mode) and inner.stat().st_size == len(inner.read_bytes())
    with pytest.raises(FileNotFoundError):
        (archive / "b").stat()
    with pytest.raises(PermissionError):
        inner.open("w")
    assert folder_above(inner) == tmp_path
    (tmp_path / "folder.zip").mkdir()
    assert not isinstance(as_path(tmp_path / "folder.zip" / "x"), ArchivePath)
    assert [without_suffix(name) for name in ("a.tar.gz", "a.b.TGZ", ".zip", "a")] == ["a", "a.b", ".zip", "a"]


def test_a_replaced_archive_is_read_anew(tmp_path: Path) -> None:
    archive = packed(genres(tmp_path / "music"), tmp_path / "music.zip")
    assert len(scan(archive, seconds=0.6).clips) == 6
    sound(tmp_path / "music" / "rock" / "9.wav", 9)
    packed(tmp_path / "music", tmp_path / "new.zip").replace(archive)
    assert len(scan(archive, seconds=0.6).clips) == 7


def test_gzip_is_read_from_any_place_by_several_threads(tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 40
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(content[: 1 << 24], 1) + gzip.compress(content[1 << 24 :], 1))
    points = Checkpoints()

    def part(at: int) -> bytes:
        with path.open("rb") as file:
            reader = GzipReader(file, points)
            reader.seek(at)
            return b"".join(iter(lambda: reader.read(1000 if at % 2 else 3_000_000)[: 1 << 22], b""))[:5000]

    places = [0, 39 << 20, 5, (1 << 24) - 3, len(content) - 10, 17 << 20, len(content), len(content) + 9]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(part, places)) == [content[at : at + 5000] for at in places]


def evil_zip(path: Path) -> dict[str, str]:
    content = sound(path.parent / "good.wav", 1).read_bytes()
    link = zipfile.ZipInfo("rock/link.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rock/a.wav", content)
        archive.writestr("jazz/b.wav", sound(path.parent / "other.wav", 2).read_bytes())
        archive.writestr("../out.wav", content)
        archive.writestr("/abs.wav", content)
        archive.writestr("C:\\windows.wav", content)
        archive.writestr(link, "/etc/passwd")
        archive.writestr("rock/bomb.wav", bytes(200 << 20))
        archive.writestr("rock/esc\x1b[2J.wav", content[:100])
        archive.writestr("rock\\windows.wav", content + b"x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("jazz/b.wav", content + b"yy")
    data = bytearray(path.read_bytes())
    at = data.index(b"rock/a.wav") + len("rock/a.wav")
    data[at + 60] ^= 255  # in the middle of its deflated samples
    path.write_bytes(data)
    return {
        "rock/a.wav": "is damaged in the archive",
        "../out.wav": "has a path that leads out of the archive",
        "/abs.wav": "has a path that leads out of the archive",
        "C:/windows.wav": "has a path that leads out of the archive",
        "rock/link.wav": "is a link or a device in the archive, not a file",
        "rock/bomb.wav": "expands to more than 200 times its size in the archive",
        "rock/esc\\x1b[2J.wav": "",
        "jazz/b.wav": "is in the archive more than once; the last one counts",
    }


def evil_tar(path: Path) -> dict[str, str]:
    content = sound(path.parent / "good.wav", 1).read_bytes()

    def add(tar: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
        tar.addfile(info, io.BytesIO(content) if kind == tarfile.REGTYPE else None)

    with tarfile.open(path, "w:gz") as tar:
        add(tar, "rock/windows.wav")
        add(tar, "../../out.wav")
        add(tar, "/etc/abs.wav")
        add(tar, "rock/link.wav", tarfile.SYMTYPE, "/etc/passwd")
        add(tar, "rock/hard.wav", tarfile.LNKTYPE, "rock/windows.wav")
        add(tar, "rock/fifo.wav", tarfile.FIFOTYPE)
        add(tar, "loop", tarfile.SYMTYPE, ".")
        content = sound(path.parent / "other.wav", 2).read_bytes()
        add(tar, "jazz/b.wav")
    return {
        "../../out.wav": "has a path that leads out of the archive",
        "/etc/abs.wav": "has a path that leads out of the archive",
        "rock/link.wav": "is a link or a device in the archive, not a file",
        "rock/hard.wav": "is a link or a device in the archive, not a file",
        "rock/fifo.wav": "is a link or a device in the archive, not a file",
        "loop": "is a link or a device in the archive, not a file",
    }


@pytest.mark.parametrize(("make", "suffix"), [(evil_zip, ".zip"), (evil_tar, ".tar.gz")])
def test_a_hostile_archive_is_one_line_per_file(
    make: Callable[[Path], dict[str, str]], suffix: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / f"evil{suffix}"
    wanted = make(archive)
    before = sorted(tmp_path.rglob("*"))
    found = scan(archive, seconds=0.6)
    assert {clip.genre for clip in found.clips} == {"rock", "jazz"}
    reasons = {one.path: one.reason for one in found.excluded}
    assert reasons.keys() == wanted.keys()
    for name, reason in wanted.items():
        assert reason in reasons[name], name
        assert "\n" not in reasons[name]
    assert sorted(tmp_path.rglob("*")) == before


def test_an_encrypted_file_is_one_line(tmp_path: Path) -> None:
    archive = packed(genres(tmp_path / "music"), tmp_path / "music.zip")
    data = bytearray(archive.read_bytes())
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    data[local + 6] |= 1
    data[central + 8] |= 1
    archive.write_bytes(data)
    (excluded,) = scan(archive, seconds=0.6).excluded
    assert excluded.reason == "is encrypted in the archive: unpack it with its password first"


def test_a_name_that_is_too_deep_and_one_that_is_a_folder_too(tmp_path: Path) -> None:
    content = sound(tmp_path / "a.wav", 1).read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("jazz/a.wav", content)
        archive.writestr("rock/b.wav", content)
        archive.writestr("rock/b.wav/c.wav", content)
        archive.writestr(f"jazz/{'x/' * 5000}d.wav", content)
    found = scan(tmp_path / "a.zip", seconds=0.6)
    assert [clip.path.name for clip in found.clips] == ["a.wav", "c.wav"]
    assert sorted(one.reason for one in found.excluded) == [
        "has the name of a folder of the archive",
        "is more than 100 folders deep in the archive",
    ]


def test_names_in_other_encodings(tmp_path: Path) -> None:
    content = sound(tmp_path / "a.wav", 1).read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("jazz/a.wav", content)
        archive.writestr("xxxxxx/b.wav", content + b"x")
    data = (tmp_path / "a.zip").read_bytes().replace(b"xxxxxx", "räöa".encode())
    (tmp_path / "a.zip").write_bytes(data)
    assert scan(tmp_path / "a.zip", seconds=0.6).genres == ["jazz", "räöa"]
    with tarfile.open(tmp_path / "b.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("jazz/a.wav", "r\udce4i/b.wav"):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    found = scan(tmp_path / "b.tar", seconds=0.6)
    assert found.genres == ["jazz", "r\\xe4i"]


def cut_zip(archive: Path) -> str:
    archive.write_bytes(archive.read_bytes()[:-100])
    return "is not a zip archive, or is damaged"


def no_tar(archive: Path) -> str:
    archive.write_bytes(b"hello " * 500)
    return "is not a tar archive, or is damaged"


def gzip_of_noise(archive: Path) -> str:
    archive.write_bytes(gzip.compress(os.urandom(5000)))
    return "is not a tar archive, or is damaged"


def gzip_bomb(archive: Path) -> str:
    info = tarfile.TarInfo("rock/a.wav")
    info.size = 3 << 30
    archive.write_bytes(gzip.compress(info.tobuf()) + gzip.compress(bytes(100 << 20)) * 11)
    return "expands to more than 200 times its size"


def huge_header(archive: Path) -> str:
    """A header that claims a name of 8 GB."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    return "archive"


@pytest.mark.parametrize(
    ("damage", "suffix"),
    [(cut_zip, ".zip"), (no_tar, ".tar"), (no_tar, ".tgz"), (gzip_of_noise, ".tar.gz"), (huge_header, ".tar")],
)
def test_a_damaged_archive_is_one_sentence(damage: Callable[[Path], str], suffix: str, tmp_path: Path) -> None:
    archive = packed(genres(tmp_path / "music"), tmp_path / f"music{suffix}")
    reason = damage(archive)
    with pytest.raises(DatasetError, match=reason) as refused:
        survey(archive)
    assert "\n" not in str(refused.value)
    with pytest.raises(DatasetError):
        survey(archive, labels=LabelSettings(source="tags"))


@pytest.mark.slow
def test_a_gzip_bomb_is_one_sentence_and_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.tar.gz"
    reason = gzip_bomb(archive)
    readers: list[BinaryIO] = []
    make = Checkpoints.reader

    def reader(self: Checkpoints, file: BinaryIO, at: int) -> GzipReader:
        readers.append(file)
        return make(self, file, at)

    monkeypatch.setattr(Checkpoints, "reader", reader)
    for _ in range(2):
        with pytest.raises(DatasetError, match=reason):
            survey(archive)
    assert len(readers) == 1
    archive.unlink()
    packed(genres(tmp_path / "music"), archive)
    assert len(survey(archive, seconds=0.6).clips) == 6


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_that_was_cut_off_gives_what_came_before(suffix: str, tmp_path: Path) -> None:
    for number, file in enumerate(genres(tmp_path / "music").rglob("*.wav")):
        write(
            file, np.random.default_rng(number).normal(0, 0.1, 6000).astype(np.float32), 8000
        )  # which does not compress
    archive = packed(tmp_path / "music", tmp_path / f"music{suffix}")
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) * 2 // 3])
    found = survey(archive, seconds=0.6)
    assert 2 <= len(found.clips) < 6
    assert any(one.path == archive.name and "cut off or damaged after" in one.reason for one in found.excluded)


def test_a_missing_or_damaged_file_of_an_archive_is_an_audio_error(tmp_path: Path) -> None:
    archive = packed(genres(tmp_path / "music"), tmp_path / "music.zip")
    assert decode(archive / "rock" / "0.wav")[1] == 8000
    with pytest.raises(AudioError, match="no such file"), open_file(archive / "rock" / "9.wav"):
        pass
    with pytest.raises(AudioError, match="is a folder"), open_file(archive / "rock"):
        pass
    (tmp_path / "noise.zip").write_bytes(b"PK" + struct.pack("<Q", 7))
    with pytest.raises(AudioError, match="is not a zip archive"), open_file(tmp_path / "noise.zip" / "a.wav"):
        pass
    with pytest.raises(OSError, match="is not a zip archive"):
        archive_faults(tmp_path / "noise.zip")


def test_an_archive_of_another_kind_or_of_features_is_refused(tmp_path: Path) -> None:
    (tmp_path / "music.rar").write_bytes(b"Rar!")
    with pytest.raises(DatasetError, match=r"is a file; .* an archive \(\.zip, \.tar, \.tar\.gz, \.tgz\)"):
        survey(tmp_path / "music.rar")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "pack.json").write_text("{}")
    with pytest.raises(DatasetError, match="holds a feature pack: unpack it"):
        survey(packed(tmp_path / "pack", tmp_path / "pack.zip"))


def test_files_of_any_size_in_a_compressed_tar_are_listed_and_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers lie across the chunks in which the archive is decompressed."""
    rng, path = np.random.default_rng(0), tmp_path / "x.tar.gz"
    contents = {f"a/{number}.wav": rng.bytes(4000 + 37 * number) for number in range(300)}
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    assert archive_faults(as_path(path)) == []
    assert len(list(as_path(path / "a").iterdir())) == 300
    count, pread = 0, os.pread

    def counted(fd: int, length: int, offset: int) -> bytes:
        nonlocal count
        data = pread(fd, length, offset)
        count += len(data)
        return data

    monkeypatch.setattr(os, "pread", counted)
    for name, content in contents.items():
        with as_path(path / name).open("rb") as file:
            assert file.read() == content
    assert count < 1.1 * path.stat().st_size
