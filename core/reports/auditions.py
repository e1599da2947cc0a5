"""An audition as files: a picture of its spectrogram, and its sound."""

from pathlib import Path

from core.features.audition import Audition
from core.features.quantise import to_codes
from core.reports.spectrograms import write_spectrogram


def write_picture(folder: Path, seen: Audition) -> Path:
    """``folder/<effect>.png``."""
    path = folder / f"{seen.effect}.png"
    write_spectrogram(path, to_codes(seen.mel_MT, seen.front_end.top_db).numpy())
    return path


def write_sound(folder: Path, heard: Audition) -> Path:
    """``folder/<effect>.wav``, 16 bits."""
    import soundfile

    path = folder / f"{heard.effect}.wav"
    with path.open("wb") as file:  # soundfile's own errors are no OSError
        soundfile.write(file, heard.sound(), heard.front_end.sample_rate, format="WAV", subtype="PCM_16")
    return path
