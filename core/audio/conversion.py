"""Channels to mono, and one sample rate to another, on the CPU. For files and for live sound.

Channels that cancel are not mixed: the loudest is used alone. ``core.dataset.store.extract`` resamples on a device.
Shapes: C channels, N samples.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from core.util.errors import UserError

Waveform = npt.NDArray[np.float32]
CANCELLED = 0.01
"""Power of the mix over that of the loudest channel, below which the channels cancel: 20 dB."""
SPARSE = 0.25
"""Share of the power that uncorrelated channels would have in the mix: one loud channel among many is not cancelled."""
ALIKE = 0.98
"""Share of the loudest channel's power from which another channel counts as equally loud."""
SILENT_POWER = 1e-9
"""-90 dB of full scale; quieter sound does not show whether channels cancel."""
MOST_SAMPLES = 1 << 16
"""Most samples of a block that are measured."""


def mix(block_CN: npt.NDArray[np.float32]) -> Waveform:
    """The mean of the channels, (N,)."""
    mono: Waveform = block_CN[0]
    if len(block_CN) == 1:
        return mono
    mono = mono + block_CN[1]
    for channel_N in block_CN[2:]:
        mono += channel_N
    mono *= np.float32(1 / len(block_CN))
    return mono


def cancelled_channel(mix_power: float, power_C: npt.NDArray[np.float64]) -> int | None:
    """The channel to use alone if the channels cancel each other; None if the mix is usable."""
    loudest = int((power_C >= ALIKE * power_C.max()).argmax())  # the first of equally loud ones
    unrelated = float(power_C.sum()) / len(power_C) ** 2
    if mix_power < CANCELLED * power_C[loudest] and mix_power < SPARSE * unrelated:
        return loudest
    return None


class Downmix:
    """Mixes the blocks of one sound. The first block that is not silent decides how.

    Attributes:
        channel: the channel that is used alone; None for the mix of all channels.
        decided: whether a block that is not silent has been seen.
    """

    def __init__(self) -> None:
        self.channel: int | None = None
        self.decided = False
        self._channels = 0

    def __call__(self, block_CN: npt.NDArray[np.float32]) -> Waveform:
        """(C, N) → (N,)."""
        self._channels = len(block_CN)
        if self._channels == 1:
            self.decided = True
        elif not self.decided:
            self._decide(block_CN)
        # A stream may change its number of channels.
        used: Any = slice(None) if self.channel is None or self.channel >= len(block_CN) else [self.channel]
        return mix(block_CN[used])

    def _decide(self, block_CN: npt.NDArray[np.float32]) -> None:
        step = max(1, block_CN.shape[1] // MOST_SAMPLES)
        some_CN = np.ascontiguousarray(block_CN[:, ::step], dtype=np.float64)
        # The variance: a constant offset is inaudible.
        power_C = some_CN.var(axis=1) if some_CN.shape[1] else np.zeros(len(some_CN))
        if power_C.max() > SILENT_POWER:
            self.decided = True
            self.channel = cancelled_channel(float(some_CN.mean(axis=0).var()), power_C)

    @property
    def note(self) -> str | None:
        """Which channel is used and why; None if all channels are mixed."""
        if self.channel is None:
            return None
        names = {(2, 0): "the left one", (2, 1): "the right one"}
        used = names.get((self._channels, self.channel), f"channel {self.channel + 1}")
        return f"its channels cancel when mixed, so {used} was used alone"


HALF_LIFE_SECONDS = 1.0


class LiveDownmix(Downmix):
    """Decides again for each block, from the power of the last seconds."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self._half_life = HALF_LIFE_SECONDS * rate
        self._power_C = np.zeros(0)
        self._mix_power = 0.0

    def _decide(self, block_CN: npt.NDArray[np.float32]) -> None:
        if not block_CN.shape[1]:
            return
        if len(self._power_C) != len(block_CN):
            self._power_C, self._mix_power = np.zeros(len(block_CN)), 0.0
        kept = 0.5 ** (block_CN.shape[1] / self._half_life)
        wide_CN = block_CN.astype(np.float64)
        self._power_C = kept * self._power_C + (1 - kept) * wide_CN.var(axis=1)
        self._mix_power = kept * self._mix_power + (1 - kept) * float(wide_CN.mean(axis=0).var())
        if self._power_C.max() > SILENT_POWER:
            self.channel = cancelled_channel(self._mix_power, self._power_C)


def resample(y: npt.NDArray[np.float32], rate: int, target: int) -> npt.NDArray[np.float32]:
    """(samples,) at ``rate`` Hz → (about samples · target / rate,) at ``target`` Hz, at soxr's high quality."""
    if rate == target:
        return y
    out: npt.NDArray[np.float32] = soxr.resample(y, rate, target, quality="HQ").astype(np.float32, copy=False)
    return out


LOWEST_RATE, HIGHEST_RATE = 2_000, 768_000


class Resampler:
    """Resamples a stream piece by piece; the joined pieces equal what `resample` returns for the whole."""

    def __init__(self, rate: int, target: int) -> None:
        """
        Raises:
            UserError: the rate is outside ``LOWEST_RATE`` to ``HIGHEST_RATE``.
        """
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise UserError(f"a sample rate of {rate:,} Hz is outside {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz")
        self._stream = None if rate == target else soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")

    def push(self, piece: npt.NDArray[np.float32], *, last: bool = False) -> npt.NDArray[np.float32]:
        """(samples,) → (available samples,); the filter delays some until ``last``."""
        if self._stream is None:
            return piece
        out: npt.NDArray[np.float32] = self._stream.resample_chunk(np.ascontiguousarray(piece), last=last)
        return out
