"""An exported model beside its original: latency of a window and of a 30 s clip, and how far they disagree.

python -m benchmarks.onnx_latency --model MODEL [--clips FOLDER]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.clock import side_by_side
from benchmarks.machine import machine
from core.export.onnx_file import export_onnx
from core.inference.classifier import Classifier
from core.inference.types import Prediction


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--clips", type=Path, help="a folder of audio on which both are compared")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(args.model, "model", path)
        size = path.stat().st_size
        original, exported = Classifier.load(args.model, "cpu"), Classifier.load(path)
    print(f"{machine()}; {original.network.name}, {size / 1e6:.1f} MB of ONNX")
    print(f"{'':<16} {'torch ms':>9} {'onnx ms':>9}")
    rng = np.random.default_rng(0)
    for what, seconds in (("a window", original.window_seconds), ("a clip of 30 s", 30.0)):
        y = rng.normal(0, 0.1, round(seconds * original.sample_rate)).astype(np.float32)
        taken = side_by_side(
            15,
            lambda y=y: original.classify_array(y, original.sample_rate),  # type: ignore[misc]
            lambda y=y: exported.classify_array(y, original.sample_rate),  # type: ignore[misc]
        )
        print(f"{what:<16} {taken[0] * 1e3:>9.1f} {taken[1] * 1e3:>9.1f}")
    if args.clips:
        compare(original, exported, sorted(args.clips.rglob("*.au")))


def probabilities(prediction: Prediction) -> list[dict[str, float]]:
    return [prediction.probabilities, *(segment.probabilities for segment in prediction.segments)]


def compare(original: Classifier, exported: Classifier, clips: list[Path]) -> None:
    worst, same = 0.0, 0
    for clip in clips:
        one, other = original.classify_file(clip), exported.classify_file(clip)
        for a, b in zip(probabilities(one), probabilities(other), strict=True):
            worst = max(worst, *(abs(a[genre] - b[genre]) for genre in a))
        same += (one.genre, one.reason) == (other.genre, other.reason)
    print(f"{len(clips)} clips: {same} equal predictions, largest difference of a probability {worst:.1e}")


if __name__ == "__main__":
    main()
