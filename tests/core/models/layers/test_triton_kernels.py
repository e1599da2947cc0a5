"""The CUDA kernels without a GPU: Triton's interpreter does on the CPU what they say."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="Triton is not on this machine")


def test_the_kernels_under_the_interpreter() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.kernel_checks"],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "all kernels are right"
