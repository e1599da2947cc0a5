"""The audio formats: suffixes, decoder, and whether the container states its length; each is declared once.

Nothing here loads a decoder.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.audio.files.open_file import peek


@dataclass(frozen=True)
class AudioFormat:
    name: str
    suffixes: tuple[str, ...]
    demuxers: tuple[str, ...] = ()
    """FFmpeg's names for the container."""
    sndfile: bool = False
    """Decoded by libsndfile, which is faster for these; FFmpeg decodes what libsndfile rejects."""
    states_length: bool = True
    """False for bare frames: FFmpeg estimates their length from the bit rate and may be wrong by a factor of ten."""


FORMATS = (
    AudioFormat("au", (".au", ".snd"), ("au",), sndfile=True),
    AudioFormat("wav", (".wav", ".wave", ".bwf", ".rf64"), ("wav",), sndfile=True),
    AudioFormat("w64", (".w64",), ("w64",), sndfile=True),
    AudioFormat("aiff", (".aif", ".aiff", ".aifc"), ("aiff",), sndfile=True),
    AudioFormat("caf", (".caf",), ("caf",), sndfile=True),
    AudioFormat("flac", (".flac",), ("flac",), sndfile=True),
    # FFmpeg decodes Opus three times faster than libsndfile; ``decode`` sends undamaged Vorbis to libsndfile.
    AudioFormat("ogg", (".ogg", ".oga", ".ogx", ".spx"), ("ogg",)),
    AudioFormat("opus", (".opus",), ("ogg",)),
    # libsndfile reads half of a variable-rate MP3 without a Xing header, and libmpg123 prints to standard error.
    AudioFormat("mp3", (".mp3", ".mp2", ".mpga"), ("mp3",), states_length=False),
    AudioFormat("m4a", (".m4a", ".m4b", ".m4r", ".mp4", ".3gp", ".3g2"), ("mov",)),
    AudioFormat("aac", (".aac", ".adts"), ("aac",), states_length=False),
    AudioFormat("ac3", (".ac3",), ("ac3",), states_length=False),
    AudioFormat("eac3", (".eac3", ".ec3"), ("eac3",), states_length=False),
    AudioFormat("dts", (".dts",), ("dts", "dtshd"), states_length=False),
    AudioFormat("amr", (".amr",), ("amr",), states_length=False),
    AudioFormat("wma", (".wma", ".asf"), ("asf",)),
    AudioFormat("matroska", (".webm", ".weba", ".mka"), ("matroska",)),
    AudioFormat("ape", (".ape",), ("ape",)),
    AudioFormat("wavpack", (".wv",), ("wv",)),
    AudioFormat("musepack", (".mpc", ".mp+"), ("mpc", "mpc8")),
    AudioFormat("tta", (".tta",), ("tta",)),
    AudioFormat("tak", (".tak",), ("tak",)),
    AudioFormat("shorten", (".shn",), ("shn",), states_length=False),
    AudioFormat("dsf", (".dsf",), ("dsf",)),
    AudioFormat("dsdiff", (".dff",), ("iff",)),
    AudioFormat("voc", (".voc",), ("voc",), states_length=False),
)
AUDIO_SUFFIXES = frozenset(suffix for form in FORMATS for suffix in form.suffixes)
BY_NAME = {form.name: form for form in FORMATS}
BY_DEMUXER = {demuxer: form for form in reversed(FORMATS) for demuxer in form.demuxers}


SIGNATURES = {
    b"\x1a\x45\xdf\xa3": "Matroska",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "WMA",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"MPCK": "Musepack",
    b"MP+": "Musepack",
    b"TTA1": "True Audio",
    b"tBaK": "TAK",
    b"ajkg": "Shorten",
    b"DSD ": "DSF",
    b"FRM8": "DSDIFF",
    b"#!AMR": "AMR",
    b"Creative Voice": "VOC",
}
"""First bytes of the containers that only FFmpeg reads, and what they are called."""


def begins_container(file: BinaryIO, offset: int) -> bool:
    """Whether a known container, not bare frames such as those of MP3, begins at ``offset``."""
    head = peek(file, 16, offset)
    return sniff(file, offset) is not None or head.startswith(tuple(SIGNATURES)) or head[4:8] == b"ftyp"


def is_audio(path: str | os.PathLike[str]) -> bool:
    """Whether the name has the suffix of an audio format; the file is not opened."""
    return Path(path).suffix.lower() in AUDIO_SUFFIXES


def sniff(file: BinaryIO, offset: int = 0) -> AudioFormat | None:
    """The format by the bytes at ``offset`` if this package reads its container itself; None for any other.

    The name is ignored: libsndfile would decode a damaged ``.au`` as raw µ-law because of its name.
    """
    head = peek(file, 16, offset)
    if head[:4] == b".snd":
        return BY_NAME["au"]
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return BY_NAME["wav"]
    if head[:12] == b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb":
        return BY_NAME["w64"]
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return BY_NAME["aiff"]
    if head[:6] == b"caff\0\1":
        return BY_NAME["caf"]
    if head[:4] == b"fLaC":
        return BY_NAME["flac"]
    return BY_NAME["ogg"] if head[:4] == b"OggS" else None
