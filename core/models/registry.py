"""Networks by name."""

from torch import nn

from core.errors import UserError
from core.models.cnn_attention import CNNAttention
from core.models.crnn import CRNN
from core.models.hybrid_cnn import HybridCNN
from core.models.names import FEWEST_FRAMES, MODEL_NAMES
from core.models.options import Option, check_options
from core.models.residual_cnn import ResidualCNN
from core.models.seed_cnn import SeedCNN
from core.models.small_cnn import SmallCNN

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
