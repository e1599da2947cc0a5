"""The machine that a figure was measured on, in one line."""

import platform

from core.util.device import choose_device, device_name, processor_name
from core.util.parallel import cores


def machine() -> str:
    """``box: NVIDIA H200, AMD EPYC 9654, 16 cores, Linux 6.1, Python 3.11.7``"""
    device = choose_device("auto")
    gpu = [device_name(device)] if device.type == "cuda" else []
    return f"{platform.node()}: " + ", ".join(
        [
            *gpu,
            processor_name(),
            f"{cores()} cores",
            f"{platform.system()} {platform.release().split('-')[0]}",
            f"Python {platform.python_version()}",
        ]
    )
