"""Networks by name."""

from torch import nn

from core.errors import UserError
from core.models.cnn_attention import CNNAttention
from core.models.crnn import CRNN
from core.models.hybrid_cnn import HybridCNN
from core.models.names import MODEL_NAMES
from core.models.residual_cnn import ResidualCNN
from core.models.seed_cnn import SeedCNN
from core.models.small_cnn import SmallCNN

_NETWORKS: dict[str, type[nn.Module]] = {
    "hybrid_cnn": HybridCNN,
    "residual_cnn": ResidualCNN,
    "crnn": CRNN,
    "cnn_attention": CNNAttention,
    "small_cnn": SmallCNN,
    "seed_cnn": SeedCNN,
}


def build_model(name: str, *, n_mels: int, genres: int, frames: int, **options: int | float | str | bool) -> nn.Module:
    """The network called ``name``, freshly initialised from torch's global random state.

    Every network maps log-mel spectrograms [batch, n_mels, frames] in decibels, in [-top_db, 0], to logits
    [batch, genres], and standardises its own input. ``frames`` is the length that it is trained on; only ``seed_cnn``
    is bound to it, the others take any length from 16 frames on.

    Args:
        options: keyword arguments of the network's constructor.

    Raises:
        UserError: there is no such network, or it has no such option.
    """
    if name not in _NETWORKS:
        raise UserError(f"There is no model called {name!r}; choose one of {', '.join(MODEL_NAMES)}.")
    try:
        return _NETWORKS[name](n_mels=n_mels, genres=genres, frames=frames, **options)
    except (TypeError, ValueError) as error:
        raise UserError(f"The model {name} cannot be built with {options or 'these settings'}: {error}") from error
