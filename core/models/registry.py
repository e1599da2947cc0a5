"""The architectures: each declared once, by name. Imports no torch until a network is built.

To add one, write ``core/models/networks/<name>.py`` and declare it in `ARCHITECTURES`; a new kind of option needs its
limits in `OPTIONS`.
"""

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from core.util.errors import UserError

if TYPE_CHECKING:
    from torch import nn

Option = int | float | str | bool
FEWEST_FRAMES = 16
"""Fewest frames of a window for networks without a fixed length."""
FRAME_SECONDS = 1709 / 22_050
"""The hop of the preset `best` and of encoder heads."""


class Architecture(NamedTuple):
    """``network`` is the class in ``core.models.networks.<name>``; ``summary`` is one line for menus and help."""

    network: str
    summary: str
    fixed_length: bool = False
    """Whether it only takes windows of the length that it was built for."""
    needs_encoder: bool = False
    """Whether it is a head on a pretrained encoder; see the option ``--encoder``."""


ARCHITECTURES = {
    "ensemble_cnn": Architecture(
        "EnsembleCNN",
        "residual network and experts over window statistics, chosen on the training clips: the best",
    ),
    "hybrid_cnn": Architecture(
        "HybridCNN",
        "residual network and a linear discriminant over window statistics: 0.5 M parameters",
    ),
    "residual_cnn": Architecture(
        "ResidualCNN", "short-chunk residual network, level-invariant: 0.5 M parameters, any length"
    ),
    "crnn": Architecture("CRNN", "convolutions, then a GRU over time: 0.6 M parameters, any length"),
    "cnn_attention": Architecture(
        "CNNAttention", "convolutions, then a small transformer encoder: 0.5 M parameters, any length"
    ),
    "small_cnn": Architecture(
        "SmallCNN", "three convolution blocks, global pooling: 0.4 M parameters, any length, trains on a CPU"
    ),
    "seed_cnn": Architecture(
        "SeedCNN",
        "the reference network: three convolution blocks, flatten: 169 M parameters at 30 s, fixed length",
        fixed_length=True,
    ),
    "encoder_head": Architecture(
        "EncoderHead",
        "a small network and experts over a pretrained encoder's embeddings, and experts over window statistics",
        needs_encoder=True,
    ),
}
"""Name → declaration, in the order in which menus list them."""
MODELS = {name: one.summary for name, one in ARCHITECTURES.items() if not one.needs_encoder}
"""Name → summary of the networks that need no encoder."""
MODEL_NAMES = tuple(MODELS)


class Limits(NamedTuple):
    lowest: float
    highest: float
    whole: bool = False

    def allow(self, value: Option) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.lowest <= value <= self.highest  # False for NaN

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.lowest:g} to {self.highest:g}"


OPTIONS = {
    "width": Limits(1, 512, whole=True),
    "depth": Limits(1, 64, whole=True),
    "heads": Limits(1, 64, whole=True),
    "hidden": Limits(1, 4096, whole=True),
    "dropout": Limits(0, 0.99),
    "shrinkage": Limits(0.001, 1),  # at 0 the covariance of a constant feature has no inverse
    "bandwidth": Limits(0.01, 1000),  # a divisor, squared
    "logit_scale": Limits(0.001, 1000),
    "memory": Limits(1, 10_000, whole=True),
    "network_weight": Limits(0, 1000),
}
"""Option → allowed values; an option means the same in every network that has it."""
FORMER_OPTIONS = {"trust": "logit_scale"}
"""Names in recipes of earlier versions."""
GIVEN = ("self", "n_mels", "genres", "frames", "frame_seconds", "embedding")
"""Constructor arguments that follow from the front end and the dataset; a network has those that it needs."""


def is_fixed_length(name: str) -> bool:
    """Whether the network called ``name`` takes windows of one length only; False for an unknown name."""
    return name in ARCHITECTURES and ARCHITECTURES[name].fixed_length


def needs_encoder(name: str) -> bool:
    """Whether the network called ``name`` is a head on an encoder; False for an unknown name."""
    return name in ARCHITECTURES and ARCHITECTURES[name].needs_encoder


def network_class(name: str) -> "type[nn.Module]":
    """Import the class of a network.

    Raises:
        UserError: the network does not exist.
    """
    if name not in ARCHITECTURES:
        raise UserError(f"There is no model called {name!r}; choose one of {', '.join(MODEL_NAMES)}.")
    network: type[nn.Module] = getattr(import_module(f"core.models.networks.{name}"), ARCHITECTURES[name].network)
    return network


def options_of(network: "type[nn.Module]") -> dict[str, Option]:
    """The options of a network and their defaults."""
    parameters = inspect.signature(network.__init__).parameters.items()
    return {name: parameter.default for name, parameter in parameters if name not in GIVEN}


def build_model(
    name: str,
    *,
    n_mels: int,
    genres: int,
    frames: int,
    frame_seconds: Option = FRAME_SECONDS,
    embedding: Option = 0,
    **options: Option,
) -> "nn.Module":
    """Build the network called ``name``, initialised from PyTorch's global random state.

    Every network maps log-mel spectrograms [batch, n_mels, frames] in decibels, in [-top_db, 0], to logits
    [batch, genres], and standardises its own input. ``frames`` is the length that it is trained on; networks without a
    fixed length take any length from `FEWEST_FRAMES` on.

    Args:
        frame_seconds: the hop, for networks that depend on lengths of time.
        embedding: size of the encoder's embedding, for a head on one.
        options: keyword arguments of the network's constructor.

    Raises:
        UserError: the network or one of its options does not exist, a value is out of range, or windows are too short.
    """
    network = network_class(name)
    if frames < FEWEST_FRAMES and not is_fixed_length(name):
        raise UserError(
            f"The model {name} needs windows of at least {FEWEST_FRAMES} frames, not {frames}: use longer ones."
        )
    options = {FORMER_OPTIONS.get(option, option): value for option, value in options.items()}
    known = options_of(network)
    for option, value in options.items():
        if option not in known:
            raise UserError(f"The model {name} has no option {option}: it has {', '.join(known)}.")
        if not OPTIONS[option].allow(value):
            raise UserError(f"The option {option} of the model {name} must be {OPTIONS[option]}, not {value!r}.")
    try:
        sizes = {"frames": frames, "frame_seconds": frame_seconds, "embedding": embedding}
        arguments = inspect.signature(network.__init__).parameters
        sizes = {name: size for name, size in sizes.items() if name in arguments}
        return network(n_mels=n_mels, genres=genres, **sizes, **options)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: more weights than memory holds
        raise UserError(f"The model {name} cannot be built with {options or 'these settings'}: {error}") from error
