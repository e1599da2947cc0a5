"""Choosing and naming compute devices. PyTorch is imported only if needed, so that a trainer on a CPU can name its
device before that."""

import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.util.errors import UserError
from core.util.text import counted

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> "torch.device":
    """The device called ``name``: auto, cpu, cuda, cuda:N or mps. ``auto`` prefers CUDA, then MPS, then the CPU.

    Raises:
        UserError: the name is not a device, or this machine has no such device.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"There is no device {name!r}; choose auto, cpu, cuda, cuda:N or mps.") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UserError(f"The device {name} does not exist: PyTorch {torch.__version__} finds no CUDA GPU.")
        index = torch.cuda.current_device() if device.index is None else device.index
        if index >= torch.cuda.device_count():
            gpus = counted(torch.cuda.device_count(), "CUDA GPU")
            raise UserError(f"The device {name} does not exist: this machine has {gpus}.")
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("The device mps does not exist here; it needs a Mac with Apple silicon.")
    if device.type not in ("cpu", "mps"):
        raise UserError(f"Training on {device.type} is not supported; choose auto, cpu, cuda, cuda:N or mps.")
    return device


def shared_device(name: str, number: int) -> str:
    """The device of one of several processes, counted from 0, that work on ``name``: all GPUs in turn.

    Raises:
        UserError: as for `choose_device`.
    """
    import torch

    on_cuda = name in ("auto", "cuda") and choose_device(name).type == "cuda"
    return f"cuda:{number % torch.cuda.device_count()}" if on_cuda else name


def device_name(device: "torch.device") -> str:
    """The device's product name, such as ``NVIDIA H200``."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    return processor_name()


def is_surely_cpu(name: str) -> bool:
    """Whether ``name`` means the CPU, without importing torch: ``cpu``, or ``auto`` without an accelerator."""
    no_gpu = sys.platform.startswith("linux") and not any(
        Path(node).exists() for node in ("/dev/nvidiactl", "/dev/dxg")
    )
    return name == "cpu" or (name == "auto" and no_gpu)


def device_ids(name: str, processes: int = 1) -> list[str]:
    """The devices that a trainer on ``name`` uses, without importing torch: ``cpu``, ``mps``, or its GPUs.

    A GPU is identified by its number on this host or by its UUID, regardless of its number in
    ``CUDA_VISIBLE_DEVICES``, or by its number among the visible ones if that is unknown.
    """
    if is_surely_cpu(name):
        return ["cpu"]
    if name == "auto" and sys.platform == "darwin":
        return ["mps"]
    if name != "auto" and not re.fullmatch(r"cuda(:\d+)?", name):
        return [name]
    first = int(name.partition(":")[2] or 0)
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    numbers = range(processes) if processes > 1 else range(first, first + 1)
    gpus = [visible[number] if number < len(visible) else str(number) for number in numbers]
    return [f"cuda:{gpu}" if gpu.isdecimal() else gpu for gpu in gpus]


def gpu_memory(device_id: str) -> tuple[int, int] | None:
    """Free and total bytes of a GPU from `device_ids`, by NVML; None if unknown."""
    if not device_id.startswith(("cuda:", "GPU-", "MIG-")):
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        number = device_id.partition(":")[2]
        by_uuid = pynvml.nvmlDeviceGetHandleByUUID
        handle = pynvml.nvmlDeviceGetHandleByIndex(int(number)) if number else by_uuid(device_id)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError:
        return None
    return int(memory.free), int(memory.total)


def processor_name() -> str:
    """The CPU's brand, or its architecture if the brand is unknown."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
