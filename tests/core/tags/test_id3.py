"""Only the genre frame of an ID3 tag changes, in the version that the tag has."""

import io
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.id3 import ID3

from core.tags.formats import read_genres, set_genres
from core.tags.id3 import TagError, find_ape_tag, tag_size, with_genres
from tests.support.recordings import tone, write_sound
from tests.support.tagged_files import GENRES, MP3_TAGS, id3, mp3, synchsafe, with_chunk

VERSIONS = (2, 3, 4)


def frames(tag: bytes) -> list[tuple[bytes, bytes]]:
    """Names and contents, by a reading of the standard of this test's own."""
    version, at, found = tag[3], 10, []
    head = 6 if version == 2 else 10
    while at + head <= len(tag) and tag[at]:
        name = tag[at : at + (3 if version == 2 else 4)]
        size = tag[at + len(name) : at + 2 * len(name)]
        bits = 7 if version == 4 else 8
        length = sum(byte << bits * place for place, byte in enumerate(reversed(size)))
        found.append((name, tag[at : at + head + length]))
        at += head + length
    return found


def others(tag: bytes) -> list[bytes]:
    return [data for name, data in frames(tag) if name not in (b"TCO", b"TCON")]


def read(tag: bytes) -> list[str]:
    """By mutagen."""
    found = ID3(io.BytesIO(tag), translate=False)
    return [genre for name in ("TCON", "TCO") for one in found.getall(name) for genre in one.genres]


@given(
    st.sampled_from(VERSIONS),
    st.integers(0, 10_000),
    st.lists(st.sampled_from(["Jazz", "Żal", "日本", "(odd)"]), max_size=3),
)
def test_every_other_frame_stays_as_it_is(version: int, seed: int, genres: list[str]) -> None:
    tag = id3(version, random.Random(seed))
    changed = with_genres(tag, genres)
    assert changed[:6] == tag[:6]
    assert tag_size(changed) == len(changed)
    assert others(changed) == others(tag)
    assert read(changed) == genres


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("before", GENRES)
def test_every_spelling_of_a_genre_is_replaced(version: int, before: bytes | None) -> None:
    tag = id3(version, random.Random(1), before)
    changed = with_genres(tag, ["Jazz", "Rock"])
    assert read(changed) == ["Jazz", "Rock"]
    assert read(with_genres(changed, [])) == []


@pytest.mark.parametrize(("genre", "named"), [("17", "Rock"), ("(17)", "Rock")])
@pytest.mark.parametrize("version", [2, 3])
def test_a_number_stands_for_its_genre(version: int, genre: str, named: str) -> None:
    assert read(with_genres(id3(version, random.Random(2), None), [genre])) == [named]


def test_a_genre_that_fits_the_padding_moves_nothing() -> None:
    tag = b"ID3\x03\0\0" + synchsafe(100) + bytes(100)
    assert len(with_genres(tag, ["Jazz"])) == len(tag)
    assert len(with_genres(tag, ["Jazz" * 100])) > len(tag)


def test_unsynchronised_and_extended_tags_stay_so() -> None:
    body = b"TPE1" + (5).to_bytes(4, "big") + b"\0\0\0\xff\xfbAB" + bytes(20)
    extended = b"\0\0\0\x06\0\0" + (20).to_bytes(4, "big")
    data = (extended + body).replace(b"\xff\xfb", b"\xff\0\xfb")
    tag = b"ID3\x03\0\xc0" + synchsafe(len(data)) + data
    changed = with_genres(tag, ["Jazz"])
    assert changed[5] == 0xC0
    assert b"\xff\0\xfb" in changed
    assert int.from_bytes(changed[16:20], "big") == 5
    assert read(changed) == ["Jazz"]
    assert ID3(io.BytesIO(changed), translate=False)["TPE1"].text == ["ÿûAB"]


def test_a_footer_is_renewed() -> None:
    body = b"TIT2" + synchsafe(2) + b"\0\0\0A"
    tag = b"ID3\x04\0\x10" + synchsafe(len(body)) + body + b"3DI\x04\0\x10" + synchsafe(len(body))
    changed = with_genres(tag, ["Jazz"])
    assert changed[-10:] == b"3DI" + changed[3:10]
    assert tag_size(changed) == len(changed)
    assert read(changed) == ["Jazz"]


@given(st.binary(max_size=60), st.sampled_from(VERSIONS), st.integers(0, 255))
def test_damaged_tags_are_refused_or_stay_readable(body: bytes, version: int, flags: int) -> None:
    tag = b"ID3" + bytes([version, 0, flags]) + synchsafe(len(body)) + body
    try:
        changed = with_genres(tag[: tag_size(tag)], ["Jazz"])
    except TagError as error:
        assert re.search(r"tag|known", str(error))
    else:
        assert tag_size(changed) == len(changed)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_sound(tmp_path_factory.mktemp("sound") / "sound.mp3", tone(0.3, 44_100), 44_100).read_bytes()


@pytest.mark.parametrize("kind", MP3_TAGS)
def test_each_tag_of_an_mp3_gets_the_genre_and_keeps_the_rest(sound: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp3"
    content = mp3(sound, kind, random.Random(3))
    path.write_bytes(content)
    set_genres(path, ["Jazz", "Rock"])
    assert read_genres(path) == ["Jazz", "Rock"]
    now = path.read_bytes()
    if "v1" in kind.split():
        assert now[-128:] == content[-128:-1] + bytes([8])
    with path.open("rb") as file:
        ape = find_ape_tag(file)
    assert (ape is not None) == ("ape" in kind)
    if ape is not None:
        assert ape.genres in (["Jazz", "Rock"], [])
        assert b"Simon\0Garfunkel" in ape.data
    if content[:3] == b"ID3":
        assert now[:6] == content[:6]
        assert others(now[: tag_size(now)]) == others(content[: tag_size(content)])
    elif kind == "v1":
        assert ID3(path)["TIT2"].text == ["The Song"]
    set_genres(path, [])
    assert read_genres(path) == []


@pytest.mark.parametrize("suffix", [".wav", ".aiff"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_id3_chunk_of_a_wav_or_aiff_keeps_its_version(suffix: str, version: int, tmp_path: Path) -> None:
    path = write_sound(tmp_path / f"sound{suffix}", tone(0.3, 44_100), 44_100)
    tag = id3(version, random.Random(4))
    path.write_bytes(with_chunk(path.read_bytes(), tag))
    set_genres(path, ["Jazz", "Żal"])
    assert read_genres(path) == ["Jazz", "Żal"]
    now = path.read_bytes()
    kept = now[now.index(b"ID3", now.rindex(b"id3 " if suffix == ".wav" else b"ID3 ") + 8) :]
    assert kept[3] == version
    assert others(kept[: tag_size(kept)]) == others(tag)
    assert int.from_bytes(now[4:8], "little" if suffix == ".wav" else "big") == len(now) - 8
