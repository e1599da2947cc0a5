"""Baselines for a network: the most frequent genre, and a support-vector machine on statistics of the mel bands."""

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.dataset.store.feature_set import FeatureSet
from core.models.layers.normalisation import own_scale
from core.runs.journal.log_lines import percent

MOST_CLIPS = 2_000
"""Most training clips of the support-vector machine, chosen evenly: its time grows with their square."""
PENALTY = 3.0


class Baseline(msgspec.Struct, frozen=True):
    """Accuracies on the clips of a report."""

    majority: float
    """Accuracy of always predicting the most frequent genre of the training clips."""
    svm: float

    @property
    def best(self) -> float:
        return max(self.majority, self.svm)

    def as_text(self, accuracy: float) -> str:
        """A line for the report of a model with this ``accuracy``, and a second one if the model is not better."""
        line = f"baseline: a support-vector machine on band statistics has an accuracy of {percent(self.svm)}"
        if accuracy > self.best:
            return line
        return f"{line}\nThe model is no better than this baseline: train longer, or with the preset best."


def baseline(features: FeatureSet, train: Tensor, clips: Tensor) -> Baseline:
    """Fit the baseline to the clips ``train`` and evaluate it on ``clips``, both indices int64 [N]. Takes about 1 s."""
    from sklearn.svm import SVC  # takes 1.6 s to import and is only needed for reports

    labels = features.labels.cpu()
    most_frequent = int(torch.bincount(labels[train]).argmax())
    fitted = train[torch.linspace(0, len(train) - 1, min(len(train), MOST_CLIPS)).round().long()]
    truth = labels[clips].numpy()
    known, asked = _band_statistics(features, fitted), _band_statistics(features, clips)
    mean, std = known.mean(0), known.std(0) + 1e-6
    machine = SVC(C=PENALTY).fit((known - mean) / std, labels[fitted].numpy())
    predicted = machine.predict((asked - mean) / std)
    return Baseline(majority=float((truth == most_frequent).mean()), svm=float((predicted == truth).mean()))


def _band_statistics(features: FeatureSet, clips: Tensor) -> npt.NDArray[np.float32]:
    """Mean, deviation and deviation of differences over time of every band, normalised per clip: [N, 3 M].

    For a clip with several excerpts, these are means over the excerpts.
    """
    rows = []
    for i in clips.tolist():
        excerpts = []
        for excerpt in range(int(features.excerpts.count_N[i])):
            mel_MT = own_scale(features.as_decibels(features.spectrogram(i, excerpt)).float()[None])[0]
            change_MT = mel_MT.diff(dim=1)
            excerpts.append(torch.cat([mel_MT.mean(1), mel_MT.std(1), change_MT.std(1)]))
        # An excerpt of one frame has no deviation.
        rows.append(torch.stack(excerpts).nan_to_num().mean(0))
    return torch.stack(rows).numpy()
