"""Several channels of a live sound → one, as `core.audio.downmix` does it for files."""

import numpy as np
import numpy.typing as npt

from core.audio.downmix import SILENT_POWER, Downmix, cancelled_channel

HALF_LIFE_SECONDS = 1.0


class LiveDownmix(Downmix):
    """Decides again with every block, by the powers of the last seconds: the rest of a live sound is unknown."""

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
