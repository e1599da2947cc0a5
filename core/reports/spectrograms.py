"""Spectrograms as PNG files, written as palette images from the stored bytes (under 3 ms each)."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from core.features.augment import AugmentPreview
from core.features.log_mel import quantise
from core.util.atomic import open_output, output_path
from core.util.paths import FileNames, inside

_PALETTE = (colormaps["magma"](np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes()


def write_spectrogram(path: Path, quantised_MT: npt.NDArray[np.uint8]) -> None:
    """Write a PNG of a spectrogram [bands, frames], 0 for silence and 255 for its loudest point; low bands below."""
    picture = Image.fromarray(np.ascontiguousarray(quantised_MT[::-1]))
    picture.putpalette(_PALETTE)
    picture.save(path, compress_level=1)


def write_spectrograms(folder: Path, clips: Iterable[tuple[str, str, npt.NDArray[np.uint8]]]) -> int:
    """Write ``folder/<genre>/<clip>.png`` for every (genre, clip, quantised_MT); returns how many.

    The folder is moved into place once it is complete, instead of syncing each file. Names become valid file names, and
    different names remain different.
    """
    making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    count = 0
    folders, names = FileNames(), defaultdict[str, FileNames](FileNames)
    try:
        for genre, clip, quantised_MT in clips:
            path = inside(making, folders[genre], f"{names[genre][clip]}.png")
            path.parent.mkdir(exist_ok=True)
            write_spectrogram(path, quantised_MT)
            count += 1
        making.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return count


def write_picture(folder: Path, seen: AugmentPreview) -> Path:
    """Write the spectrogram of a preview to ``folder/<effect>.png``; returns the path.

    Raises:
        OSError: the file cannot be written.
    """
    path = folder / f"{seen.effect}.png"
    with output_path(path) as file:
        write_spectrogram(file, quantise(seen.mel_MT, seen.front_end.top_db).numpy())
    return path


def write_sound(folder: Path, preview: AugmentPreview) -> Path:
    """Write the sound of a preview to ``folder/<effect>.wav`` in 16 bits; returns the path.

    Raises:
        OSError: the file cannot be written.
    """
    import soundfile

    path = folder / f"{preview.effect}.wav"
    with open_output(path) as file:  # soundfile's own errors are not OSErrors
        soundfile.write(file, preview.sound(), preview.front_end.sample_rate, format="WAV", subtype="PCM_16")
    return path
