"""How much a network counts beside its experts: chosen by training clips that neither of the two has learnt from.

The experts judge clips whose groups they were not fitted to before training begins. The network does not train on two
of the ten inner folds of the training clips in the first epochs (`Recipe.weigh_after` of them). Then its weight is
chosen by its logits for these folds, and it trains on all clips for the remaining epochs. Suffixes: N clips, C genres.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.models.networks.ensemble_cnn import EnsembleCNN
from core.models.networks.expert_choice import pooled
from core.training.loop.evaluation import Evaluation

FEWEST_CLIPS = 40
"""Held-out clips by which a weight is chosen; with fewer, the weight stays as it is."""

CANDIDATES = [i / 20 for i in range(31)]
"""Weights of the network beside experts that count 1."""
DEVIATION = 0.15
"""Of a Gaussian prior around the default weight."""
MOST_UNLIKE = 2.0
"""By how much the best scale of the held-out clips' logits may differ from that of all folds."""
HELD_OUT = 0.2
"""Of the inner folds, rounded."""


@dataclass(frozen=True)
class HeldOut:
    """Inner folds of the training clips, until the network is weighed."""

    epochs: int
    """Epochs of the network without these folds."""
    others_N: Tensor
    """Places of the clips to train on, among the training clips; as many as there are training clips."""
    clips: Tensor
    """The clips to judge, as indices into the feature set."""
    expert_logits_NC: Tensor
    """What experts say of them that were fitted without their fold, float64."""


def hold_out(epochs: int, folds_N: Tensor, train: Tensor, judged: Tensor, expert_logits_NC: Tensor) -> HeldOut | None:
    """The last folds; None where they have too few clips to choose by.

    Args:
        folds_N: the inner fold of each training clip.
        train: the training clips, as indices into the feature set.
        judged: those of them that the experts have judged, in ascending order, and in the order of their logits.
    """
    folds = int(folds_N.max()) + 1
    held = folds_N >= folds - max(1, round(HELD_OUT * folds))
    of_folds = torch.isin(judged, train[held])
    others = (~held).nonzero()[:, 0]
    if not epochs or int(of_folds.sum()) < FEWEST_CLIPS or not len(others):
        return None
    # As many clips an epoch as afterwards, so that every epoch has the same number of batches.
    return HeldOut(epochs, others[torch.arange(len(train)) % len(others)], judged[of_folds], expert_logits_NC[of_folds])


def weigh(models: Iterable[EnsembleCNN], held: HeldOut, network: Evaluation) -> None:
    """Sets the weights of network and experts that minimise the cross-entropy of the held-out clips.

    The network's weight is shrunk towards its default, since it is chosen by few clips. The experts' own scale was
    fitted to all inner folds. The held-out clips may be harder or easier than the others, so they only say by how much
    the network changes that scale; a weight of 0 leaves the experts as they are.

    Args:
        models: the network, and its moving average where there is one; both have the same weights.
        network: of the residual network alone, on ``held.clips``.
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
