"""The machine that a figure was measured on, in one line."""

import platform
from pathlib import Path

from core.cores import cores


def machine() -> str:
    """``box: AMD EPYC 9654, 2 cores, Linux 6.1, Python 3.11.7``"""
    return ", ".join(
        [
            f"{platform.node()}: {_processor()}",
            f"{cores()} cores",
            f"{platform.system()} {platform.release().split('-')[0]}",
            f"Python {platform.python_version()}",
        ]
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
