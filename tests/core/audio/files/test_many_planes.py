"""More channels than PyAV has room for: read rightly, where reading them straight would leave the frame's memory."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np

from core.audio.files.ffmpeg import _channels
from tests.support.sounds import write


def test_sixteen_planes() -> None:
    channels = np.arange(16, dtype=np.float32).repeat(100).reshape(16, 100)
    woven = av.AudioFrame.from_ndarray(channels.T.reshape(1, -1), format="flt", layout="hexadecagonal")
    woven.sample_rate = 48_000
    planar = av.AudioResampler(format="fltp").resample(woven)[0]
    assert planar.format.is_planar
    np.testing.assert_array_equal(_channels(planar), channels)


DECODE = """
import sys
import numpy as np
from pathlib import Path
from core.audio.files.decode import decode
from core.audio.files.open_file import AudioError
path = Path(sys.argv[1])
whole = path.read_bytes()
start, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
for seed in range(60):
    path.write_bytes(whole[:start] + np.random.default_rng(seed).bytes(end - start) + whole[end:])
    try:
        decode(path)
    except AudioError:
        continue
"""


def test_an_encrypted_file_costs_no_more_than_itself(tmp_path: Path) -> None:
    """Random bytes now and then make the AAC decoder deliver frames of 47 channels."""
    path = write(tmp_path / "encrypted.m4a", np.zeros(4 * 44_100, dtype=np.float32) + 0.1, 44_100)
    done = subprocess.run([sys.executable, "-c", DECODE, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
