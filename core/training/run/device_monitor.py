"""A thread that samples once a second how busy the device is."""

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psutil
import torch

from core.runs.journal.events import DeviceSample, Event

INTERVAL = 1.0


class DeviceMonitor:
    """A context manager that emits a `DeviceSample` every second, except while ``idle()``."""

    def __init__(self, device: torch.device, emit: Callable[[Event], object], idle: Callable[[], bool]) -> None:
        self._emit = emit
        self._idle = idle
        self._process = psutil.Process()
        self._gpu = _Gpu(device) if device.type == "cuda" else None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def sample(self) -> DeviceSample:
        ram = psutil.virtual_memory()
        return DeviceSample(
            cpu_percent=psutil.cpu_percent(),
            rss=self._process.memory_info().rss,
            ram_used=ram.total - ram.available,
            ram_total=ram.total,
            **({} if self._gpu is None else self._gpu.sample()),
        )

    def _run(self) -> None:
        psutil.cpu_percent()  # the first call only starts the interval
        while not self._over.wait(INTERVAL):
            if not self._idle():
                self._emit(self.sample())

    def __enter__(self) -> "DeviceMonitor":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


class _Gpu:
    """One CUDA device as NVML sees it; what the driver does not report stays None."""

    def __init__(self, device: torch.device) -> None:
        import pynvml

        self._nvml = pynvml
        self._handle: Any = None
        self._name = torch.cuda.get_device_name(device)
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            # CUDA and NVML number devices differently; the UUID is the same in both.
            uuid = torch.cuda.get_device_properties(device).uuid
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")

    def sample(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"gpu_name": self._name}
        if self._handle is None:
            return fields
        nvml, handle = self._nvml, self._handle
        with contextlib.suppress(nvml.NVMLError):
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            fields |= {"gpu_memory_used": int(memory.used), "gpu_memory_total": int(memory.total)}
        with contextlib.suppress(nvml.NVMLError):
            fields["gpu_percent"] = float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        with contextlib.suppress(nvml.NVMLError):
            fields["gpu_power"] = nvml.nvmlDeviceGetPowerUsage(handle) / 1000
        with contextlib.suppress(nvml.NVMLError):
            fields["gpu_temperature"] = float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        return fields
