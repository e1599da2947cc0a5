"""The stored training clips of a model that are most similar to a file, which explain its prediction.

Networks with experts store training clips (see `core.models.networks.expert_ensemble`). Their names follow from the
list of training clips in the model file, from which they were chosen by a fixed rule; if the numbers do not match,
there are no names. Clips are compared by the cosine after whitening within genres.

Suffixes: B windows, F statistics, K remembered clips.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.inference.types import TrainingClip
from core.models.networks.encoder_head import EncoderHead
from core.models.networks.expert_ensemble import ExpertEnsemble
from core.models.networks.lda_expert import FORGOTTEN, StatisticsExpert, fitted_clips, standardised
from core.training.checkpoint import TrainingSet

Statistics = npt.NDArray[np.float32]


class RememberedClips:
    """The stored clips of a network. Thread-safe."""

    def __init__(self, expert: StatisticsExpert | ExpertEnsemble, clips: list[TrainingClip], kept_CM: Tensor) -> None:
        """
        Args:
            clips: the clips in the order of the genres.
            kept_CM: which slots of the expert hold them.
        """
        self._expert, self._clips = expert, clips
        temperature = expert.settings[2].square() if isinstance(expert, ExpertEnsemble) else expert.temperature
        counts_C1 = kept_CM.sum(1, keepdim=True).double()
        squared_CM = -2 * (expert.clip_bias.double() + temperature * counts_C1.log())
        self._weight_KF = expert.clip_weight[kept_CM].double()
        self._length_K = squared_CM[kept_CM].clamp_min(1e-9).sqrt()
        self._watched = threading.local()
        expert.statistics.register_forward_hook(self._note)  # type: ignore[union-attr]

    @classmethod
    def of(cls, network: nn.Module, dataset: TrainingSet, genres: list[str]) -> "RememberedClips | None":
        """The stored clips of ``network``; None if it stores none, or if their names are unknown."""
        whole = network.by_embeddings if isinstance(network, EncoderHead) else network
        experts = [one for one in whole.modules() if isinstance(one, StatisticsExpert | ExpertEnsemble)]
        if not experts or "train" not in dataset.parts:
            return None
        names = dataset.parts["train"].name
        fitted = [names[i] for i in fitted_clips(len(names)).tolist()] if names else []
        kept_CM = experts[0].clip_bias > FORGOTTEN / 2
        clips: list[TrainingClip] = []
        for genre, kept_M in zip(genres, kept_CM, strict=True):
            own = [name.removeprefix(f"{genre}/") for name in fitted if name.startswith(f"{genre}/")]
            count = min(len(own), len(kept_M))
            if count != int(kept_M.sum()) or not count:
                return None
            even = torch.linspace(0, len(own) - 1, count).round().long().tolist()
            clips += [TrainingClip(genre, own[i]) for i in even]
        return cls(experts[0], clips, kept_CM)

    @contextmanager
    def watching(self) -> Iterator[list[Statistics]]:
        """Collect the statistics, (B, F) each, of all windows that this thread sends through the network."""
        batches: list[Statistics] = []
        self._watched.batches = batches
        try:
            yield batches
        finally:
            del self._watched.batches

    @property
    def is_watching(self) -> bool:
        """Whether the statistics of this thread's windows are collected."""
        return hasattr(self._watched, "batches")

    def _note(self, _module: nn.Module, _inputs: object, statistics_BF: Tensor) -> None:
        if self.is_watching:
            self._watched.batches.append(statistics_BF.float().cpu().numpy())

    def nearest(self, statistics: Sequence[Statistics], count: int) -> list[TrainingClip]:
        """The clips most similar to a file with these statistics of windows, (F,) each; nearest first."""
        if not statistics:
            return []
        whole_BF = torch.from_numpy(np.stack(statistics)).to(self._weight_KF.device)
        features_BF = standardised(whole_BF, self._expert.mean, self._expert.std)
        near_K = self._weight_KF @ features_BF.double().mean(0) / self._length_K
        best = near_K.topk(min(count, len(self._clips))).indices.tolist()
        return [self._clips[i] for i in best]
