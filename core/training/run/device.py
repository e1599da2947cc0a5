"""Threads that look after the device: one samples how busy it is, one warms it up while the dataset is scanned.

Loading CUDA libraries and compiling Triton kernels beside the scan saves a second or more."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import psutil
import torch
import torch.nn.functional as F

from core.features.log_mel import FrontEnd
from core.runs.journal.events import DeviceSample, Event
from core.training.checkpoint import build_network
from core.training.loop.init import augmentation
from core.training.loop.optim import build_optimiser
from core.training.loop.precision import choose_precision, use_deterministic_kernels
from core.training.recipe import Recipe
from core.util.errors import UserError

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
        psutil.cpu_percent()  # the first call starts the interval
        while not self._over.wait(INTERVAL):
            if not self._idle():
                self._emit(self.sample())

    def __enter__(self) -> "DeviceMonitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class _Gpu:
    """A CUDA device by NVML; values that the driver does not report are None."""

    def __init__(self, device: torch.device) -> None:
        import pynvml

        self._nvml = pynvml
        self._handle: Any = None
        self._name = torch.cuda.get_device_name(device)
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            # CUDA and NVML number devices differently, but UUIDs are the same.
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


GENRES = 10
WINDOWS = 2


class WarmUp:
    """A thread that trains the recipe's network on noise for one step, if the device is a CUDA GPU."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self._thread: threading.Thread | None = None
        if device.type == "cuda" and recipe.encoder is None:  # a head on an encoder is small
            use_deterministic_kernels()
            self._thread = threading.Thread(target=_warm_up, args=(recipe, device), name="warm-up", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until it is done. Errors are written to trainer.log."""
        if self._thread is not None:
            self._thread.join()


def _warm_up(recipe: Recipe, device: torch.device) -> None:
    with torch.cuda.device(device), contextlib.suppress(UserError):  # training itself will report it
        _train_a_step(recipe, device)
        torch.cuda.empty_cache()  # free memory is read from the driver


def _train_a_step(recipe: Recipe, device: torch.device) -> None:
    torch.zeros(1, device=device)  # initialises CUDA while other threads work
    sound_BN = torch.rand(WINDOWS, recipe.front_end.samples, device=device)
    FrontEnd(recipe.front_end).to(device)(sound_BN)
    precision = choose_precision(recipe, device)
    generator = torch.Generator(device).manual_seed(0)
    shape = (WINDOWS, recipe.front_end.n_mels, recipe.input_frames)
    mel_BMT = -recipe.front_end.top_db * torch.rand(shape, generator=generator, device=device)
    labels_B = torch.zeros(WINDOWS, dtype=torch.int64, device=device)
    with device:
        model = precision.to_device(build_network(recipe, GENRES)).train()
    optimiser = build_optimiser(recipe.optimiser, model.parameters(), fused=precision.fused)
    if (augment := augmentation(recipe)) is not None:
        mel_BMT, _ = augment(mel_BMT, F.one_hot(labels_B, GENRES).float(), generator)
    with precision.autocast():
        logits_BC = model(mel_BMT).float()
    F.cross_entropy(logits_BC, labels_B).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    torch.cuda.synchronize(device)
