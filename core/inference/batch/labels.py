"""Mapping a model's genres to the user's labels, one or more per file. Imports no torch."""

import tomllib
from pathlib import Path

import msgspec

from core.inference.types import Prediction, Reason
from core.util.errors import UserError


class Labels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mapping from predictions to labels. As a TOML file::

    threshold = 0.4          # every genre that is at least this probable is a label, not only the likeliest

    [names]                  # the model's genre = your name for it; "" means never a label
    hiphop = "Hip-Hop"
    metal = "Rock"           # the probabilities of genres with one name are added

    [thresholds]             # by your names; they replace the threshold above
    "Hip-Hop" = 0.6
    """

    threshold: float | None = None
    names: dict[str, str] = {}
    thresholds: dict[str, float] = {}

    def __post_init__(self) -> None:
        for value in (self.threshold, *self.thresholds.values()):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"a threshold is a probability from 0 to 1, not {value:g}")

    def check(self, genres: list[str]) -> None:
        """
        Raises:
            UserError: a name or a threshold refers to a genre that the model does not have.
        """
        for genre in self.names:
            if genre not in genres:
                raise UserError(f"the model knows no genre {genre!r}; it knows {', '.join(genres)}")
        own = {self.names.get(genre, genre) for genre in genres}
        for name in self.thresholds:
            if name not in own:
                raise UserError(f"there is a threshold for {name!r}, which is none of {', '.join(sorted(own - {''}))}")

    def of(self, prediction: Prediction) -> list[str]:
        """The labels of a prediction, likeliest first; empty if it is uncertain.

        With a threshold, only silence and sound unlike the training music are uncertain. Without one, the likeliest
        genre of a prediction that is not uncertain becomes the label.
        """
        if prediction.reason in (Reason.SILENCE, Reason.UNKNOWN):
            return []
        probability: dict[str, float] = {}
        for genre, p in prediction.probabilities.items():
            name = self.names.get(genre, genre)
            probability[name] = probability.get(name, 0.0) + p
        ranked = sorted(probability, key=lambda name: -probability[name])
        likeliest = None if prediction.uncertain else ranked[0]
        return [name for name in ranked if name and self._earned(name, probability[name], likeliest)]

    def _earned(self, name: str, probability: float, likeliest: str | None) -> bool:
        threshold = self.thresholds.get(name, self.threshold)
        return name == likeliest if threshold is None else probability >= threshold


def read_labels(path: Path) -> Labels:
    """
    Raises:
        UserError: the file cannot be read or is invalid; the message says where.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Labels)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise UserError(f"{path} is not a file of labels: {error}") from error
