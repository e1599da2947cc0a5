"""CUDA libraries and Triton kernels, loaded and compiled while the dataset is scanned: saves a second or more."""

import contextlib
import threading

import torch
import torch.nn.functional as F

from core.features.log_mel import FrontEnd
from core.training.checkpoint import build_network
from core.training.loop.init import augmentation
from core.training.loop.optim import build_optimiser
from core.training.loop.precision import choose_precision, use_deterministic_kernels
from core.training.recipe import Recipe
from core.util.errors import UserError

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
        """Waits until it is done. If something went wrong, trainer.log says so."""
        if self._thread is not None:
            self._thread.join()


def _warm_up(recipe: Recipe, device: torch.device) -> None:
    with torch.cuda.device(device), contextlib.suppress(UserError):  # training itself will report it
        _train_a_step(recipe, device)
        torch.cuda.empty_cache()  # free memory is asked of the driver


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
