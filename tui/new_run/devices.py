"""The devices that a run could train on, found without torch."""

import sys


def device_choices() -> dict[str, str]:
    """Name for ``--device`` → what it is. The trainer has the last word: PyTorch may be built without CUDA."""
    choices = {"auto": "the GPU where there is one, else the processor", "cpu": "the processor"}
    for number, name in enumerate(_nvidia_gpus()):
        choices[f"cuda:{number}"] = name
    if sys.platform == "darwin":
        choices["mps"] = "Apple's GPU"
    return choices


def _nvidia_gpus() -> list[str]:
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except pynvml.NVMLError:
        return []  # no driver, no GPU
