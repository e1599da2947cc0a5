"""A virtual microphone that plays a file: a script beside the test data that starts a PulseAudio server."""

import shutil

import pytest

from tests.support.paths import ROOT

VIRTUAL_MIC = ROOT.parent / "shared" / "tools" / "virtual-mic"
needs_microphone = pytest.mark.skipif(
    not VIRTUAL_MIC.exists() or shutil.which("pulseaudio") is None, reason="needs the virtual microphone"
)
