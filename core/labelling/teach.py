"""Teaching: an expert refitted after each label, and which clip to label next.

The expert is a linear discriminant over all windows of the labelled clips (Fisher 1936), whose shrunk covariance
(Friedman 1989) holds from a few clips on. The next clip is one whose two likeliest genres are close (margin sampling:
Scheffer, Decomain & Wrobel 2001), preferably of a genre with few labels so far, which keeps the labels diverse.

Shapes: N clips of the pool, W windows of each, F statistics, C genres, K labelled clips.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve  # type: ignore[import-untyped]

from core.labelling.embedding import Floats
from core.labelling.expert import FARTHEST, FLATTEST, SHRINKAGE, softmax

GAIN = 3.0
"""Standard deviations of logits → natural logarithms of probabilities; only order and display depend on it."""


class Teacher:
    """A pool of clips, and what labels teach about it. All that does not depend on labels is computed once."""

    def __init__(self, embeddings_NWF: Floats) -> None:
        flat_BF = embeddings_NWF.reshape(-1, embeddings_NWF.shape[2])
        self._mean_F, std_F = flat_BF.mean(0), flat_BF.std(0)
        self._std_F = np.where(std_F > FLATTEST, std_F, np.inf).astype(np.float32)
        self._windows_NWF = self._clipped(embeddings_NWF)
        self._clips_NF = self._windows_NWF.mean(1)
        self._seen: set[int] = set()
        self._weight_FC = np.zeros((embeddings_NWF.shape[2], 0), dtype=np.float32)
        self._bias_C = np.zeros(0, dtype=np.float32)
        self._counts_C = np.zeros(0, dtype=np.int64)
        self.genres: list[str] = []

    def fit(self, labels: Mapping[int, str]) -> None:
        """Refits to ``labels``, place in the pool → genre."""
        self.genres = sorted(set(labels.values()))
        self._seen = set(labels)
        if not self.genres:
            return
        places_K = np.array(list(labels))
        labels_K = np.array([self.genres.index(genre) for genre in labels.values()])
        windows_KWF = self._windows_NWF[places_K]
        counts_C = np.bincount(labels_K)
        means_CF = np.stack([windows_KWF[labels_K == genre].mean((0, 1)) for genre in range(len(self.genres))])
        within_KWF = (windows_KWF - means_CF[labels_K][:, None]) / np.sqrt(counts_C[labels_K])[:, None, None]
        within_BF = within_KWF.reshape(-1, within_KWF.shape[2])
        covariance_FF = within_BF.T @ within_BF / (len(counts_C) * windows_KWF.shape[1])
        shrunk_FF = (1 - SHRINKAGE) * covariance_FF
        shrunk_FF[np.diag_indices_from(shrunk_FF)] += SHRINKAGE * np.maximum(covariance_FF.diagonal(), 1e-3)
        self._weight_FC = cho_solve(cho_factor(shrunk_FF), means_CF.T).astype(np.float32)
        self._bias_C = -0.5 * (self._weight_FC.T * means_CF).sum(1)
        self._counts_C = counts_C

    def logits(self, embeddings_NWF: Floats | None = None) -> Floats:
        """(N, C) for the pool, or for other clips."""
        clips_NF = self._clips_NF if embeddings_NWF is None else self._clipped(embeddings_NWF).mean(1)
        logits_NC: Floats = clips_NF @ self._weight_FC + self._bias_C
        return logits_NC

    def probabilities(self) -> npt.NDArray[np.float64]:
        """(N, C) for the pool."""
        logits_NC = self.logits()
        centred_NC = logits_NC - logits_NC.mean(1, keepdims=True)
        return softmax(GAIN * centred_NC / max(float(centred_NC.std()), 1e-9))

    def order(self, towards: str | None = None) -> list[int]:
        """The unlabelled clips, the most helpful first; with ``towards`` those most likely of that genre."""
        if not self.genres:
            return self._by_typicality()
        probabilities_NC = self.probabilities()
        if towards in self.genres:
            rank_N = probabilities_NC[:, self.genres.index(towards)]
        else:
            best_N2 = np.sort(probabilities_NC, axis=1)[:, -2:]
            unsure_N = 1 - (best_N2[:, -1] - best_N2[:, 0] if len(self.genres) > 1 else 0)
            rank_N = unsure_N / np.sqrt(self._counts_C[probabilities_NC.argmax(1)])
        return [int(i) for i in np.argsort(-rank_N, kind="stable") if int(i) not in self._seen]

    def _by_typicality(self) -> list[int]:
        """Before any label: the clips nearest to the middle of all."""
        return [int(i) for i in np.argsort(np.linalg.norm(self._clips_NF - self._clips_NF.mean(0), axis=1))]

    def _clipped(self, embeddings_NWF: Floats) -> Floats:
        clipped: Floats = FARTHEST * np.tanh((embeddings_NWF - self._mean_F) / self._std_F / FARTHEST)
        return clipped
