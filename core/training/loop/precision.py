"""Number format, memory format and kernels. `Recipe.plain` disables all optimisations."""

import contextlib
import functools
import warnings
from dataclasses import dataclass

import torch
from torch import nn

from core.models.layers.conv import ConvBlock
from core.training.recipe import Recipe


@dataclass(frozen=True)
class Precision:
    device: torch.device
    bfloat16: bool
    """Whether convolutions and matrix products run in bfloat16 under autocast; weights stay in float32."""
    channels_last: bool
    fused: bool
    """Whether the optimiser is fused."""
    cuda_graph: bool
    """Whether a step is captured as a CUDA graph and replayed."""
    own_kernels: bool
    """Whether convolution blocks use the kernels of `core.models.layers.triton_kernels`."""

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def to_device(self, model: nn.Module) -> nn.Module:
        """Move a network to the device and memory format."""
        for module in model.modules():
            if isinstance(module, ConvBlock):
                module.own_kernels = self.own_kernels
        if self.channels_last:
            # The type stubs of nn.Module.to have no overload for a device and a memory format.
            return model.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
        return model.to(self.device)


def choose_precision(recipe: Recipe, device: torch.device) -> Precision:
    """The recipe's precision as far as ``device`` supports it: bfloat16 only if it is native."""
    if recipe.plain:
        return Precision(device, bfloat16=False, channels_last=False, fused=False, cuda_graph=False, own_kernels=False)
    bfloat16 = recipe.precision == "bfloat16" and has_bfloat16(device)
    return Precision(
        device,
        bfloat16=bfloat16,
        channels_last=device.type != "mps",
        fused=device.type != "mps",
        cuda_graph=device.type == "cuda",
        own_kernels=triton_works(device),
    )


@functools.cache
def triton_works(device: torch.device) -> bool:
    """Whether Triton kernels run on the device. One is run, as they also need a C compiler and Python's headers."""
    if device.type != "cuda" or torch.version.hip is not None or torch.cuda.get_device_capability(device) < (8, 0):
        return False
    try:
        from core.models.layers.triton_ops import norm_pool_relu

        x_BCHW = torch.ones(1, 16, 2, 2, device=device).contiguous(memory_format=torch.channels_last)
        norm_pool_relu(x_BCHW, nn.BatchNorm2d(16).to(device))
    except Exception as error:  # any error of the compiler, the driver or a read-only home directory
        warnings.warn(f"Triton cannot run kernels here, using cuDNN instead: {error}", stacklevel=1)
        return False
    return True


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has native bfloat16 arithmetic; an emulated one is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def make_deterministic(recipe: Recipe, device: torch.device) -> None:
    """Seed PyTorch and select deterministic kernels."""
    torch.manual_seed(recipe.seed)
    if device.type == "cuda":
        use_deterministic_kernels()
        torch.set_float32_matmul_precision("highest" if recipe.plain else "high")
        torch.backends.cudnn.allow_tf32 = not recipe.plain


def use_deterministic_kernels() -> None:
    """Select deterministic CUDA kernels."""
    # Operations without a deterministic kernel warn in trainer.log instead of ending the run. The public function,
    # use_deterministic_algorithms, imports PyTorch's compiler, which takes 1 s.
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # These two attention backends do not select their deterministic gradient automatically.
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
