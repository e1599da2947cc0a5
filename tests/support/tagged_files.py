"""Audio files of every format with tags of every kind that a library of music holds."""

import io
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mutagen
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, MakeID3v1

from tests.support.recordings import tone, write_sound

SUFFIXES = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aiff", ".wav", ".wma")
MP3_TAGS = ("none", "v1", "v2.2", "v2.3", "v2.4", "ape", "v1 ape", "v2.3 v1", "v2.4 ape v1")


def recordings(folder: Path, seconds: float = 0.3) -> dict[str, bytes]:
    """Suffix → the content of an untagged file."""
    return {
        suffix: write_sound(folder / f"sound{suffix}", tone(seconds, rate), rate).read_bytes()
        for suffix in SUFFIXES
        for rate in (48_000 if suffix == ".opus" else 44_100,)
    }


def tagged_files(folder: Path, count: int, seed: int = 0) -> Iterator[Path]:
    """``count`` files in all formats, each with other tags."""
    dice, sounds = random.Random(seed), recordings(folder)
    for number in range(count):
        suffix = SUFFIXES[number % len(SUFFIXES)]
        path = folder / f"file{number:04}{suffix}"
        if suffix == ".mp3":
            path.write_bytes(mp3(sounds[suffix], MP3_TAGS[number // len(SUFFIXES) % len(MP3_TAGS)], dice))
        elif suffix in (".wav", ".aiff") and dice.random() < 0.8:
            tag = id3(dice.choice((2, 3, 4)), dice)
            path.write_bytes(with_chunk(sounds[suffix], tag))
        else:
            path.write_bytes(sounds[suffix])
            if suffix not in (".wav", ".aiff") and dice.random() < 0.9:
                _tag_by_library(path, dice)
        yield path


def mp3(sound: bytes, kind: str, dice: random.Random) -> bytes:
    """An MP3 with the tags that ``kind`` names."""
    sound = sound[_leading_tag(sound) :]
    front = b"".join(id3(int(part[3]), dice) for part in kind.split() if part.startswith("v2"))
    back = ape(dice) if "ape" in kind else b""
    return front + sound + back + (v1(dice) if "v1" in kind.split() else b"")


FRAMES = {
    b"TIT2": b"\0The Song",
    b"TPE1": b"\x01" + "Simon\0Garfunkel".encode("utf-16"),
    b"TSOP": b"\0Beatles, The",
    b"TSOA": b"\0Album, An",
    b"TMOO": b"\0happy",
    b"TDRL": b"\x001969",
    b"TYER": b"\x001969",
    b"TDAT": b"\x003112",
    b"TIME": b"\x002359",
    b"RVAD": b"\x03\x10\x10\0\x10\0\x10\0\x10",
    b"TSIZ": b"\x0012345",
    b"TRDA": b"\0June",
    b"XYZ9": b"frame of a program that is not known",
    b"TXXX": b"\0MOOD\0calm",
    b"PRIV": b"owner\0\xff\xfe\xe0\x00\x01",
    b"APIC": b"\0image/png\0\x03\0" + bytes(range(256)) * 8,
}
"""Frames of 2.3 and 2.4, many of which a library drops or translates."""
OLD_FRAMES = {
    b"TT2": b"\0The Song",
    b"TP1": b"\0Artist",
    b"TRD": b"\0June",
    b"XY9": b"unknown",
    b"PIC": b"\0PNG\x03\0" * 40,
}
GENRES = (None, b"\0Rock", b"\0(17)", b"\x0017", b"\0Pop\0Rock", b"\0(4)(9)Eurodisco", b"\x01" + "Żal".encode("utf-16"))


def id3(version: int, dice: random.Random, genre: bytes | str | None = "any") -> bytes:
    """An ID3v2 tag of a version: frames in any order, with or without a genre and padding."""
    known = OLD_FRAMES if version == 2 else FRAMES
    frames = [(name, data) for name, data in known.items() if dice.random() < 0.8]
    content = dice.choice(GENRES) if isinstance(genre, str) else genre
    if content is not None:
        frames.append((b"TCO" if version == 2 else b"TCON", content))
    dice.shuffle(frames)
    body = b"".join(frame(version, name, data) for name, data in frames)
    body += bytes(dice.choice((0, 0, 10, 200, 2048)))
    return b"ID3" + bytes([version, 0, 0]) + synchsafe(len(body)) + body


def frame(version: int, name: bytes, data: bytes) -> bytes:
    if version == 2:
        return name + struct.pack(">I", len(data))[1:] + data
    return name + (synchsafe(len(data)) if version == 4 else struct.pack(">I", len(data))) + b"\0\0" + data


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def ape(dice: random.Random) -> bytes:
    tags = APEv2()
    tags["Title"], tags["Artist"], tags["Year"] = "The Song", ["Simon", "Garfunkel"], "1969"
    if dice.random() < 0.6:
        tags["GENRE"] = ["Rock", "Folk"]
    data = io.BytesIO()
    tags.save(data)
    return data.getvalue()


def v1(dice: random.Random) -> bytes:
    tag = bytearray(MakeID3v1(ID3()))
    tag[3:11], tag[33:39] = b"The Song", b"Artist"
    tag[127] = dice.choice((255, 17, 8))
    return bytes(tag)


def with_chunk(sound: bytes, tag: bytes) -> bytes:
    """A WAV or AIFF with an ID3 chunk at its end."""
    order, name = ("<", b"id3 ") if sound[:4] == b"RIFF" else (">", b"ID3 ")
    chunk = name + struct.pack(f"{order}I", len(tag)) + tag + bytes(len(tag) % 2)
    whole = sound + chunk
    return whole[:4] + struct.pack(f"{order}I", len(whole) - 8) + whole[8:]


def _leading_tag(sound: bytes) -> int:
    size = sum(byte << shift for byte, shift in zip(sound[6:10], (21, 14, 7, 0), strict=True))
    return 10 + size if sound[:3] == b"ID3" else 0


def _tag_by_library(path: Path, dice: random.Random) -> None:
    file: Any = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    keys = {".m4a": ("\xa9nam", "\xa9ART", "\xa9gen"), ".wma": ("Title", "Author", "WM/Genre")}
    title, artist, genre = keys.get(path.suffix, ("title", "artist", "genre"))
    file.tags[title], file.tags[artist] = "The Song", ["Simon", "Garfunkel"]
    if dice.random() < 0.6:
        file.tags[genre] = ["Rock"]
    if path.suffix in (".ogg", ".opus", ".flac"):
        file.tags["comment"] = "long " * dice.choice((1, 2000, 20_000))  # Ogg spreads it over several pages
    file.save(padding=lambda _: dice.choice((0, 100, 4096)))
