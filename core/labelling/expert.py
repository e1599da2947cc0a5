"""The closed-form expert: labelled clips vote for their genres by how similar they sound.

Clips are compared by the cosine of their statistics, whitened by the covariance within genres as in linear
discriminant analysis (Fisher 1936; shrunk as in Friedman 1989). The vote of a genre is the kernel density of its clips
at that cosine; a temperature and an offset per genre (vector scaling: Guo et al. 2017) turn votes into probabilities.
A fit takes milliseconds for hundreds of clips, and the same cosines show which clips explain a prediction.

Shapes: N clips, W windows of each, F statistics, C genres, K labelled clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular  # type: ignore[import-untyped]
from scipy.optimize import minimize  # type: ignore[import-untyped]

from core.inference.decision import softmax
from core.labelling.embedding import Floats

SHRINKAGE = 0.6
"""Weight of the diagonal in the covariance within genres."""
KERNEL_WIDTH = 0.1
"""Difference of cosines at which a clip's vote falls to 1/e."""
FARTHEST = 3.0
"""Standard deviations at which outliers are clipped (softly) before the covariance is estimated."""
FLATTEST = 1e-3
"""Statistics with a smaller standard deviation vary only by rounding errors."""
OFFSET_PENALTY = 1e-3
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Space:
    """The space in which clips are compared: unit vectors, whose dot products are cosines."""

    mean_F: Floats
    std_F: Floats
    centre_F: Floats
    whitening_FF: Floats

    @classmethod
    def fit(
        cls, embeddings_NWF: Floats, labels_N: Labels, weights_N: Floats | None = None, *, stretch: float = 1.0
    ) -> "Space":
        """Fit the space in which clips of one genre vary equally in every direction. All genres have equal weight.

        Args:
            labels_N: genres from 0; all equal for data without labels.
            weights_N: weight of each clip's label, from 0 to 1; 1 by default.
            stretch: factor along the directions in which the genres' means differ.
        """
        windows = embeddings_NWF.shape[1]
        flat_BF = embeddings_NWF.reshape(-1, embeddings_NWF.shape[2])
        mean_F, std_F = flat_BF.mean(0), flat_BF.std(0)
        std_F = np.where(std_F > FLATTEST, std_F, np.inf).astype(np.float32)
        flat_BF = clipped((flat_BF - mean_F) / std_F)
        labels_B = np.repeat(labels_N, windows)
        weights_B = np.ones(len(labels_B)) if weights_N is None else np.repeat(weights_N, windows)
        share_B = (weights_B / np.bincount(labels_B, weights_B)[labels_B]).astype(np.float32)
        one_hot_BC = np.eye(labels_N.max() + 1, dtype=np.float32)[labels_B]
        means_CF = one_hot_BC.T @ (flat_BF * share_B[:, None])
        within_BF = (flat_BF - means_CF[labels_B]) * np.sqrt(share_B)[:, None]
        covariance_FF = within_BF.T @ within_BF / share_B.sum()
        diagonal_F = np.maximum(covariance_FF.diagonal(), 1e-6)
        genres_C = np.unique(labels_N)
        shrinkage = (
            SHRINKAGE if len(genres_C) > 1 else 1.0
        )  # without genres, directions of high variance are the most informative
        shrunk_FF = (1 - shrinkage) * covariance_FF + shrinkage * np.diag(diagonal_F)
        lower_FF = np.linalg.cholesky(shrunk_FF.astype(np.float64))
        whitening_FF = solve_triangular(lower_FF, np.eye(len(lower_FF)), lower=True).astype(np.float32)
        centre_F = means_CF[genres_C].mean(0)
        if stretch != 1 and len(genres_C) > 1:
            between_FC = whitening_FF @ (means_CF[genres_C] - centre_F).T
            directions_FD = np.linalg.svd(between_FC, full_matrices=False)[0][:, : len(genres_C) - 1]
            whitening_FF += (stretch - 1) * directions_FD @ (directions_FD.T @ whitening_FF)
        return cls(mean_F, std_F, centre_F, whitening_FF)

    def __call__(self, embeddings_NWF: Floats) -> Floats:
        """Unit vectors, (N, F)."""
        clips_NF = clipped((embeddings_NWF - self.mean_F) / self.std_F).mean(1)
        whitened_NF = (clips_NF - self.centre_F) @ self.whitening_FF.T
        units_NF: Floats = whitened_NF / np.maximum(np.linalg.norm(whitened_NF, axis=1, keepdims=True), 1e-9)
        return units_NF


def votes(units_NF: Floats, known_KF: Floats, labels_K: Labels, genres: int, weights_K: Floats | None = None) -> Floats:
    """Log density (N, C) of each genre's clips around each clip, minus the mean over genres.

    A genre without clips gets the mean of the others.
    """
    weights_K = np.ones(len(labels_K), dtype=np.float32) if weights_K is None else weights_K
    shares_KC = np.eye(genres, dtype=np.float32)[labels_K] * weights_K[:, None]
    total_C = shares_KC.sum(0)
    shares_KC /= np.maximum(total_C, 1e-9)
    kernel_NK = np.exp((units_NF @ known_KF.T - 1) / KERNEL_WIDTH)
    density_NC: Floats = np.log(kernel_NK @ shares_KC + 1e-12)
    density_NC -= density_NC[:, total_C > 0].mean(1, keepdims=True)
    density_NC[:, total_C == 0] = 0
    return density_NC


@dataclass(frozen=True)
class Scaling:
    """Vector scaling from votes to probabilities: a factor, and an offset per genre."""

    factor: float
    offset_C: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, votes_NC: Floats, labels_N: Labels) -> "Scaling":
        """Fit by maximum likelihood to out-of-fold votes."""
        one_hot_NC = np.eye(votes_NC.shape[1])[labels_N]
        clips = len(labels_N)

        def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            factor, offset_C = np.exp(parameters[0]), parameters[1:]
            probabilities_NC = softmax(factor * votes_NC + offset_C)
            gradient_NC = (probabilities_NC - one_hot_NC) / clips
            likelihood = np.log(probabilities_NC[np.arange(clips), labels_N] + 1e-12).mean()
            slope = np.concatenate(
                [[factor * (gradient_NC * votes_NC).sum()], gradient_NC.sum(0) + 2 * OFFSET_PENALTY * offset_C]
            )
            return float(OFFSET_PENALTY * offset_C @ offset_C - likelihood), slope

        bounds: Sequence[tuple[float, float]] = [(-6.0, 4.0)] + [(-5.0, 5.0)] * votes_NC.shape[1]
        found = minimize(loss, np.zeros(1 + votes_NC.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds)
        return cls(float(np.exp(found.x[0])), found.x[1:])

    def __call__(self, votes_NC: Floats) -> npt.NDArray[np.float64]:
        """Probabilities, (N, C)."""
        return softmax(self.factor * votes_NC + self.offset_C)


def clipped(deviations: Floats) -> Floats:
    """Standardised statistics, clipped softly at `FARTHEST` standard deviations."""
    within: Floats = FARTHEST * np.tanh(deviations / FARTHEST)
    return within
