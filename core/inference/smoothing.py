"""Probabilities that do not flicker: an exponential average over time."""

HALF_LIFE_SECONDS = 2.0


class Smoother:
    """Older verdicts fade: after ``half_life`` seconds they count half."""

    def __init__(self, half_life: float = HALF_LIFE_SECONDS) -> None:
        self._half_life = half_life
        self._smoothed: dict[str, float] = {}
        self._at = 0.0

    def update(self, probabilities: dict[str, float], at: float) -> dict[str, float]:
        """The average after the verdict of time ``at``, in seconds; the first one is itself."""
        if not self._smoothed:
            self._smoothed = dict(probabilities)
        old = 0.5 ** (max(0.0, at - self._at) / self._half_life)
        self._at = at
        self._smoothed = {genre: old * self._smoothed[genre] + (1 - old) * p for genre, p in probabilities.items()}
        return self._smoothed
