"""Generating a small synthetic dataset, for trying the program without music.

Its ten "genres" are generated chords, drums and timbres. They are easy to distinguish: a model's accuracy on them shows
that everything works and says nothing about music.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from core.dataset.clip import DatasetError

RATE = 22_050
README = """Synthetic sounds, made by `genre-tui data demo` (seed {seed}).

This is not music: ten families of generated chords, drum patterns and timbres that differ from each other on purpose.
Accuracy on them shows that everything works, and says nothing about real recordings.
"""
Sound = npt.NDArray[np.float32]
MAJOR, MINOR, FIFTH, SEVENTH, FOURTHS = (0, 4, 7, 12), (0, 3, 7, 12), (0, 7, 12), (0, 4, 7, 10), (0, 5, 10)
SUSTAINED, FOURS, EIGHTHS, OFFBEAT = "x...............", "x...x...x...x...", "x.x.x.x.x.x.x.x.", "..x...x...x...x."


@dataclass(frozen=True)
class Style:
    """One "genre". Patterns are sixteen steps of a bar; a note sounds where there is an ``x``."""

    tempo: tuple[int, int]
    """Lowest and highest tempo in beats per minute."""
    harmonics: tuple[float, ...]
    """Amplitudes of a note's partials."""
    decay: float
    """Seconds in which a note decays to a third."""
    chord: tuple[int, ...]
    """Semitones above the root."""
    octave: float
    """Semitones of the root relative to A at 220 Hz."""
    notes: str
    kick: str = ""
    snare: str = ""
    hat: str = ""
    arpeggio: bool = False
    """Whether the chord's notes come one after another."""


STYLES = {
    "arpeggio-bells": Style((90, 120), (1, 0, 0.6, 0, 0, 0.4, 0, 0.3), 0.5, MAJOR, 1, EIGHTHS, arpeggio=True),
    "bass-pulse": Style((110, 130), (1, 0.7, 0.3), 0.15, FIFTH, -1.5, EIGHTHS, kick=FOURS),
    "brass-stabs": Style((95, 115), (1, 0.9, 0.8, 0.7, 0.6, 0.5), 0.12, SEVENTH, 0, "x..x..x...x.x...", FOURS, OFFBEAT),
    "drums-fast": Style((165, 185), (1,), 0.1, FIFTH, -1, SUSTAINED, "x.....x...x.....", "....x..x....x...", "x" * 16),
    "drums-slow": Style((65, 80), (1,), 0.1, FIFTH, -1, SUSTAINED, "x.......x.x.....", "....x.......x...", EIGHTHS),
    "offbeat-chords": Style((70, 85), (1, 0.3, 0.4, 0.1), 0.1, MINOR, 0.5, OFFBEAT, kick="........x......."),
    "organ-hymn": Style((60, 75), (1, 0.8, 0.5, 0.6, 0.1, 0.2), 4.0, MAJOR, 0, "x.......x......."),
    "pad-dark": Style((55, 70), (1, 0.2), 5.0, MINOR, -1, SUSTAINED),
    "plucks-quick": Style((130, 150), tuple(0.8**n for n in range(12)), 0.08, FOURTHS, 1, "x" * 16, arpeggio=True),
    "saw-wall": Style((120, 140), tuple(1 / n for n in range(1, 16)), 1.0, FIFTH, -0.5, FOURS, EIGHTHS, FOURS),
}


def make_demo(out: str | Path, *, clips_per_genre: int = 12, seconds: float = 10.0, seed: int = 0) -> Path:
    """Write ``out/genres/<genre>/<genre>.NNNNN.au`` and a README; returns ``out/genres``.

    The same arguments always give the same files. No two clips of a genre have the same key, tempo and noise.

    Raises:
        DatasetError: ``out/genres`` already exists, or nothing can be written.
    """
    genres = Path(out) / "genres"
    try:
        genres.mkdir(parents=True)
        (Path(out) / "README.txt").write_text(README.format(seed=seed))
        for number, (genre, style) in enumerate(STYLES.items()):
            (genres / genre).mkdir()
            for clip in range(clips_per_genre):
                y = _clip(style, seconds, np.random.default_rng([seed, number, clip]))
                soundfile.write(genres / genre / f"{genre}.{clip:05d}.au", y, RATE, subtype="PCM_16", format="AU")
    except FileExistsError as error:
        raise DatasetError(f"{genres} already exists: choose another folder.") from error
    except OSError as error:
        raise DatasetError(f"The demonstration cannot be written to {out}: {error.strerror}.") from error
    return genres


def _clip(style: Style, seconds: float, rng: np.random.Generator) -> Sound:
    """(samples,) at ``RATE`` with its peak between 0.3 and 0.9."""
    y = np.zeros(round(seconds * RATE), dtype=np.float32)
    step = 60 / rng.uniform(*style.tempo) / 4
    root = 220 * 2 ** (style.octave + rng.integers(12) / 12)
    progression = rng.permutation([0, 5, 7, -3])
    notes: dict[float, Sound] = {}
    for i in range(int(seconds / step)):
        bar, sixteenth = divmod(i, 16)
        at = round(i * step * RATE)
        if style.notes[sixteenth] == "x":
            chord = root * 2 ** ((progression[bar % 4] + np.array(style.chord)) / 12)
            for frequency in [rng.choice(chord)] if style.arpeggio else chord:
                if frequency not in notes:
                    notes[frequency] = _note(style, frequency) / np.float32(len(chord))
                _add(y, at, notes[frequency], rng.uniform(0.7, 1.0))
        for pattern, drum in ((style.kick, _kick), (style.snare, _snare), (style.hat, _hat)):
            if pattern and pattern[sixteenth] == "x":
                _add(y, at, drum(rng), rng.uniform(0.6, 1.0))
    y += np.float32(10 ** rng.uniform(-3.5, -2.5)) * rng.standard_normal(len(y), np.float32)
    loud: Sound = y * np.float32(rng.uniform(0.3, 0.9) / np.abs(y).max())
    return loud


def _add(y: Sound, at: int, sound: Sound, level: float) -> None:
    piece = y[at : at + len(sound)]
    piece += sound[: len(piece)] * np.float32(level)


def _note(style: Style, frequency: float) -> Sound:
    t = _time(min(3 * style.decay, 4.0))
    tone = np.zeros_like(t)
    for n, strength in enumerate(style.harmonics, start=1):
        if strength and n * frequency < RATE / 2:
            tone += np.float32(strength) * np.sin(np.float32(2 * np.pi * n * frequency) * t)
    attack_and_end = np.minimum(np.minimum(t, t[-1] - t) / np.float32(0.005), np.float32(1))
    tone *= attack_and_end * np.exp(-t / np.float32(style.decay))
    return tone


def _kick(_rng: np.random.Generator) -> Sound:
    t = _time(0.25)
    sweep: Sound = np.sin(2 * np.pi * (50 * t - 4 * np.exp(-t * 30)))
    return sweep * np.exp(-t * 14)


def _snare(rng: np.random.Generator) -> Sound:
    t = _time(0.2)
    rattle: Sound = 0.4 * rng.standard_normal(len(t), np.float32) + 0.4 * np.sin(2 * np.pi * 190 * t)
    return rattle * np.exp(-t * 22)


def _hat(rng: np.random.Generator) -> Sound:
    t = _time(0.06)
    hiss: Sound = np.diff(0.25 * rng.standard_normal(len(t) + 1, np.float32))
    return hiss * np.exp(-t * 70)


def _time(seconds: float) -> Sound:
    return np.arange(round(seconds * RATE), dtype=np.float32) / np.float32(RATE)
