"""Which windows of which clips an epoch trains on, and in what order: drawn from the seed alone, on the CPU.

The windows are the same on every device, and after a resume in the middle of an epoch, without a state to save.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Windows:
    """``clip[i]`` is an index into the feature set, ``start[i]`` the first frame of the window. Both [K], int64."""

    clip: Tensor
    start: Tensor

    def __len__(self) -> int:
        return len(self.clip)

    def part(self, first: int, last: int) -> "Windows":
        return Windows(self.clip[first:last], self.start[first:last])

    def to(self, device: torch.device) -> "Windows":
        """The same windows on ``device``, without waiting for a GPU."""
        if device.type == "cuda" and self.clip.device.type == "cpu":
            return Windows(
                self.clip.pin_memory().to(device, non_blocking=True),
                self.start.pin_memory().to(device, non_blocking=True),
            )
        return Windows(self.clip.to(device), self.start.to(device))


def random_windows(
    clips: Tensor,
    frames: Tensor,
    width: int,
    per_clip: int,
    seed: int,
    epoch: int,
    weights: Tensor | None = None,
) -> Windows:
    """``per_clip`` random windows of every clip, shuffled; with ``weights`` as many in all, of clips drawn by weight.

    Args:
        clips: [N] indices into the feature set.
        frames: frames with sound of every clip in the feature set; windows stay inside them where they fit.
        width: frames of a window.
        weights: [N] relative frequency of each clip.
    """
    generator = torch.Generator().manual_seed(_epoch_seed(seed, epoch))
    count = per_clip * len(clips)
    if weights is None:
        clip_K = clips.repeat(per_clip)[torch.randperm(count, generator=generator)]
    else:
        clip_K = clips[torch.multinomial(weights, count, replacement=True, generator=generator)]
    room_K = (frames[clip_K] - width).clamp_min(0)
    # A float64 fraction reaches every start of a clip of any length; torch cannot draw integers with individual bounds.
    start_K = (torch.rand(len(clip_K), generator=generator, dtype=torch.float64) * (room_K + 1)).long()
    return Windows(clip_K, start_K)


def spaced_windows(clips: Tensor, frames: Tensor, width: int, per_clip: int) -> Windows:
    """``per_clip`` evenly spaced windows of every clip, clip after clip; a single window is centred."""
    room_N = (frames[clips] - width).clamp_min(0)
    fractions = torch.linspace(0, 1, per_clip, dtype=torch.float64) if per_clip > 1 else torch.tensor([0.5])
    start_NK = (room_N[:, None] * fractions).round().long()
    return Windows(clips.repeat_interleave(per_clip), start_NK.flatten())


def batch_bounds(windows: int, batch_size: int) -> list[tuple[int, int]]:
    """First and one past the last window of each batch: as few batches as possible, whose sizes differ by at most one.

    Even sizes leave no last batch of a single window, which batch normalisation cannot use; where batches of two would,
    they become larger by one.
    """
    batches = -(-windows // batch_size)
    if batch_size > 1 and windows // batches == 1:
        batches = max(1, batches - 1)
    return [(windows * i // batches, windows * (i + 1) // batches) for i in range(batches)]


def _epoch_seed(seed: int, epoch: int) -> int:
    """Far apart for neighbouring seeds and epochs, which their sum would not be."""
    return (seed * 0x9E3779B97F4A7C15 + epoch * 0xD1B54A32D192ED03 + 1) % 2**63
