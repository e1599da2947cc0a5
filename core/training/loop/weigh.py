"""Choosing the weight of a network beside its experts on training clips that neither was fitted to.

Out-of-fold logits of the experts are computed before training. In the first epochs (`Recipe.weigh_after` of them), the
network does not train on two of the ten inner folds of the training clips. Then its weight is chosen by its logits for
these folds, and it trains on all clips for the remaining epochs. With fewer than about 2,000 training clips, the weight
is not chosen. Suffixes: N clips, C genres.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.models.networks.ensemble_cnn import EnsembleCNN
from core.models.networks.expert_choice import pooled
from core.training.loop.evaluation import Evaluation

FEWEST_CLIPS = 400
"""Fewest held-out clips for choosing the weight; with fewer it is not changed, and the network trains on all clips from
the first epoch. With 67 to 153 clips the choice was no better than the default (docs/accuracy.md)."""
CANDIDATES = [i / 20 for i in range(31)]
"""Candidates for the weight of the network beside experts of weight 1."""
DEVIATION = 0.15
"""Standard deviation of a Gaussian prior around the default weight."""
MOST_UNLIKE = 2.0
"""Factor by which the best scale of the held-out clips' logits may differ from that of all folds."""
HELD_OUT = 0.2
"""Share of the inner folds that is held out, rounded."""


@dataclass(frozen=True)
class HeldOut:
    """Inner folds of the training clips that are held out until the network's weight is chosen."""

    epochs: int
    """Epochs in which the network is trained without these folds."""
    others_N: Tensor
    """Indices among the training clips of those to train on, repeated to the number of training clips."""
    clips: Tensor
    """The held-out clips, as indices into the feature set."""
    expert_logits_NC: Tensor
    """Out-of-fold logits of the experts for them, float64."""


def hold_out(
    epochs: int, folds_N: Tensor, train: Tensor, evaluated: Tensor, expert_logits_NC: Tensor
) -> HeldOut | None:
    """Hold out the last folds; None if they have too few clips.

    Args:
        folds_N: the inner fold of each training clip.
        train: the training clips, as indices into the feature set.
        evaluated: the training clips of ``expert_logits_NC``, in ascending order.
    """
    folds = int(folds_N.max()) + 1
    held = folds_N >= folds - max(1, round(HELD_OUT * folds))
    of_folds = torch.isin(evaluated, train[held])
    others = (~held).nonzero()[:, 0]
    if not epochs or int(of_folds.sum()) < FEWEST_CLIPS or not len(others):
        return None
    # Every epoch has the same number of batches.
    return HeldOut(
        epochs, others[torch.arange(len(train)) % len(others)], evaluated[of_folds], expert_logits_NC[of_folds]
    )


def weigh(models: Iterable[EnsembleCNN], held: HeldOut, network: Evaluation) -> None:
    """Set the weights of network and experts that minimise the cross-entropy of the held-out clips.

    The network's weight is shrunk towards its default, because it is chosen by few clips. The experts' own scale was
    fitted to all inner folds. The held-out clips may be harder or easier than the others, so they only say by how much
    the network changes that scale; a weight of 0 leaves the experts as they are.

    Args:
        models: the network, and its moving average if there is one; both get the same weights.
        network: the evaluation of the residual network alone, on ``held.clips``.
    """
    models = list(models)
    usual, experts_NC = float(models[0].network_weight), held.expert_logits_NC.cpu()
    best = (math.inf, usual, 1.0)
    for weight in CANDIDATES:
        (factor,), loss = pooled([experts_NC + weight * network.logits], network.labels)
        prior = ((weight - usual) / DEVIATION) ** 2 / 2 / len(network.labels)
        best = min(best, (loss + prior, weight, factor))
    _, weight, factor = best
    (alone,), _ = pooled([experts_NC], network.labels)
    factor /= min(max(alone, 1 / MOST_UNLIKE), MOST_UNLIKE)
    for model in models:
        model.weigh(network=weight * factor, experts=factor)
