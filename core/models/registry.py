"""Networks by name."""

import inspect
from typing import NamedTuple

from torch import nn

from core.models.catalog import FEWEST_FRAMES, MODEL_NAMES
from core.models.networks.cnn_attention import CNNAttention
from core.models.networks.crnn import CRNN
from core.models.networks.hybrid_cnn import HybridCNN
from core.models.networks.residual_cnn import ResidualCNN
from core.models.networks.seed_cnn import SeedCNN
from core.models.networks.small_cnn import SmallCNN
from core.util.errors import UserError

Option = int | float | str | bool
GIVEN = ("self", "n_mels", "genres", "frames")
"""Arguments of every network's constructor that follow from the front end and the dataset, and are nobody's choice."""


class Limits(NamedTuple):
    lowest: float
    highest: float
    whole: bool = False

    def allow(self, value: Option) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.lowest <= value <= self.highest  # NaN is outside

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.lowest:g} to {self.highest:g}"


LIMITS = {
    "width": Limits(1, 512, whole=True),
    "depth": Limits(1, 64, whole=True),
    "heads": Limits(1, 64, whole=True),
    "hidden": Limits(1, 4096, whole=True),
    "dropout": Limits(0, 0.99),
    "shrinkage": Limits(0.001, 1),  # at 0 the covariance of what never varies has no inverse
    "bandwidth": Limits(0.01, 1000),  # a divisor, squared
    "trust": Limits(0.001, 1000),
}
"""Option → its values; an option means the same in every network that has it."""


def check_options(model: str, network: type[nn.Module], options: dict[str, Option]) -> None:
    """
    Raises:
        UserError: the network has no such option, or the option cannot have that value.
    """
    known = [name for name in inspect.signature(network.__init__).parameters if name not in GIVEN]
    for name, value in options.items():
        if name not in known:
            raise UserError(f"The model {model} has no option {name}: it has {', '.join(known)}.")
        if not LIMITS[name].allow(value):
            raise UserError(f"The option {name} of the model {model} must be {LIMITS[name]}, not {value!r}.")


NETWORKS: dict[str, type[nn.Module]] = {
    "hybrid_cnn": HybridCNN,
    "residual_cnn": ResidualCNN,
    "crnn": CRNN,
    "cnn_attention": CNNAttention,
    "small_cnn": SmallCNN,
    "seed_cnn": SeedCNN,
}


def build_model(name: str, *, n_mels: int, genres: int, frames: int, **options: Option) -> nn.Module:
    """The network called ``name``, freshly initialised from torch's global random state.

    Every network maps log-mel spectrograms [batch, n_mels, frames] in decibels, in [-top_db, 0], to logits
    [batch, genres], and standardises its own input. ``frames`` is the length that it is trained on; only ``seed_cnn``
    is bound to it, the others take any length from `FEWEST_FRAMES` on.

    Args:
        options: keyword arguments of the network's constructor.

    Raises:
        UserError: there is no such network, it has no such option, the option cannot have that value, or windows are
            too short.
    """
    if name not in NETWORKS:
        raise UserError(f"There is no model called {name!r}; choose one of {', '.join(MODEL_NAMES)}.")
    if frames < FEWEST_FRAMES and name != "seed_cnn":
        raise UserError(
            f"The model {name} needs windows of {FEWEST_FRAMES} frames or more, not {frames}: take longer ones."
        )
    network = NETWORKS[name]
    check_options(name, network, options)
    try:
        return network(n_mels=n_mels, genres=genres, frames=frames, **options)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: more weights than memory holds
        raise UserError(f"The model {name} cannot be built with {options or 'these settings'}: {error}") from error
