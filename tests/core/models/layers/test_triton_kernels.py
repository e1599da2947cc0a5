"""The CUDA kernels without a GPU: Triton's interpreter does on the CPU what they say."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="Triton is not on this machine")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("tests.support.kernel_checks", "all kernels are right"),
        ("benchmarks.linear_adam", "the kernel is right"),  # a candidate, which a GPU has to decide on
    ],
)
def test_the_kernels_under_the_interpreter(module: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == said
