"""Checks the port of musicnn: the tags that its networks give songs, to compare with those that its package publishes.

    pip download --no-deps musicnn==0.1.0
    python -m benchmarks.musicnn_tags musicnn-0.1.0-py3-none-any.whl SONG...

The package's repository (github.com/jordipons/musicnn) has two songs in ``audio/`` and their tags in its README.
"""

import argparse
import ast
import zipfile
from pathlib import Path

import numpy as np
import torch

from core.audio.conversion import resample
from core.audio.files.decode import decode
from core.models.encoders.musicnn import FRAMES, MEL, Musicnn, from_tensorflow
from core.models.encoders.musicnn_wheel import read_bundle

NETWORKS = {"MTT_musicnn": "MTT_LABELS", "MSD_musicnn": "MSD_LABELS"}
"""Network → the list of its tags in the package."""
MOST = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("songs", type=Path, nargs="+", metavar="SONG")
    args = parser.parse_args()
    with zipfile.ZipFile(args.wheel) as archive:
        lists = _lists(archive.read("musicnn/configuration.py").decode())
        for name, tags in NETWORKS.items():
            files = (archive.read(f"musicnn/{name}/{suffix}") for suffix in (".index", ".data-00000-of-00001"))
            network = Musicnn().eval()
            network.load_state_dict(from_tensorflow(read_bundle(*files)), strict=False)
            for song in args.songs:
                likelihood = _likelihoods(network, song).mean(0)
                best = likelihood.argsort(descending=True)[:MOST].tolist()
                print(f"{name}, {song.name}: {', '.join(lists[tags][i] for i in best)}")


def _lists(source: str) -> dict[str, list[str]]:
    """The lists of the package's configuration, by name; nothing of it is executed."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def _likelihoods(network: Musicnn, song: Path) -> torch.Tensor:
    """Of each window [W, 50]. The package cuts one spectrogram of the whole song, reflected at both ends, into windows

    side by side.
    """
    y, rate = decode(song)
    wave = np.pad(resample(y.astype(np.float32), rate, network.sample_rate), MEL.n_fft // 2, mode="reflect")
    starts = range(0, len(wave) - network.window_samples + 1, FRAMES * MEL.hop_length)
    windows = torch.from_numpy(np.stack([wave[start : start + network.window_samples] for start in starts]))
    with torch.inference_mode():
        return network.likelihoods(network(windows))


if __name__ == "__main__":
    main()
