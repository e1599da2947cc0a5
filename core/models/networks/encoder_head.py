"""A head on a pretrained encoder: a small network and experts over embeddings, and experts over window statistics.

Their logits are added. The weights of the three parts, like the experts' own settings, minimise the cross-entropy of
training clips whose groups (artists, albums) the part was not fitted to; a part that does not help gets no weight. The
encoder itself is not part of the network.

Suffixes: I clips, W windows of each to fit to, J windows of each to evaluate on, N all windows, B windows, M mel bands,
T frames, D size of an embedding, F statistics, C genres.
"""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.encoders.encoder import split
from core.models.networks.expert_choice import pooled
from core.models.networks.expert_ensemble import ExpertEnsemble
from core.models.networks.lda_expert import ClipWindows
from core.models.registry import FRAME_SECONDS

PARTS = ("network", "embeddings", "statistics")
WEIGHTS = (0.5, 1.0, 0.0)
"""Weights of the parts if there are too few groups to choose them."""
TRIAL_STEPS, TRIAL_BATCH = 300, 64
"""Steps and batch size of the network's training on each inner fold."""


class Embeddings(nn.Module):
    """Lets an `ExpertEnsemble` use embeddings as statistics: [B, D, 1] → [B, D]."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.compared_by_kernel = torch.arange(count)

    def forward(self, embedding_BD1: Tensor) -> Tensor:
        return embedding_BD1[:, :, 0]


class EncoderHead(nn.Module):
    weights: Tensor
    accuracies: Tensor

    def __init__(
        self,
        *,
        n_mels: int,
        genres: int,
        frame_seconds: float,
        embedding: int,
        hidden: int = 64,
        dropout: float = 0.5,
        memory: int = 100,
    ) -> None:
        """Args:
        frame_seconds, memory: see `ExpertEnsemble`.
        embedding: size of an embedding.
        hidden, dropout: units of the small network, and the dropout probability before each of its layers.
        """
        super().__init__()
        self.embedding = embedding
        self.network = nn.Sequential(
            nn.BatchNorm1d(embedding, affine=False),
            nn.Dropout(dropout),
            nn.Linear(embedding, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, genres),
        )
        self.by_embeddings = ExpertEnsemble(
            n_mels, genres, frame_seconds=FRAME_SECONDS, memory=memory, statistics=Embeddings(embedding)
        )
        self.by_statistics = ExpertEnsemble(n_mels, genres, frame_seconds=frame_seconds, memory=memory)
        self.register_buffer("weights", torch.tensor(WEIGHTS))
        self.register_buffer("accuracies", torch.zeros(len(PARTS) + 1))

    def forward(self, joined_BMT: Tensor) -> Tensor:
        """The result of `join` → logits [B, genres]; while training, those of the network alone."""
        mel_BMT, embedding_BD = split(joined_BMT, self.embedding)
        logits_BC: Tensor = self.network(embedding_BD)
        if self.training:
            return logits_BC
        parts = (logits_BC.float(), self.by_embeddings(embedding_BD[:, :, None]), self.by_statistics(mel_BMT))
        return torch.stack([weight * part for weight, part in zip(self.weights, parts, strict=True)]).sum(0)

    def fit(self, to: Iterable[ClipWindows], by: Iterable[ClipWindows], folds_I: Tensor) -> None:
        """Fit the experts to windows of the training set and choose the weights; see `ExpertEnsemble.fit`."""
        embeddings_IWD, statistics_IWF, labels_I = self._measured(to)
        eval_IJD, eval_IJF, _ = self._measured(by)
        folds_I = folds_I.to(labels_I.device)
        by_embeddings_IC = self.by_embeddings.fit_measured(embeddings_IWD, eval_IJD, labels_I, folds_I)
        by_statistics_IC = self.by_statistics.fit_measured(statistics_IWF, eval_IJF, labels_I, folds_I)
        if by_embeddings_IC is None or by_statistics_IC is None:
            return
        by_network_IC = self._held_out(embeddings_IWD.float(), eval_IJD.float(), labels_I, folds_I)
        logits = [by_network_IC, by_embeddings_IC, by_statistics_IC]
        weights, _ = pooled(logits, labels_I)
        together_IC = torch.stack([w * one for w, one in zip(weights, logits, strict=True)]).sum(0)
        right = [(one.argmax(1) == labels_I).double().mean() for one in (*logits, together_IC)]
        self.weights.copy_(torch.tensor(weights))
        self.accuracies.copy_(torch.stack(right))

    def describe(self) -> dict[str, dict[str, float]]:
        """The weight of each part, and its accuracy on groups that it was not fitted to."""
        return {
            "weights": dict(zip(PARTS, self.weights.tolist(), strict=True)),
            "accuracies": dict(zip((*PARTS, "ensemble"), self.accuracies.tolist(), strict=True)),
        }

    @torch.no_grad()
    def _measured(self, clips: Iterable[ClipWindows]) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings [I, W, D] and statistics [I, W, F] of all clips' windows, float64, and the clips' labels [I]."""
        embeddings, statistics, labels = [], [], []
        for joined_IWMT, labels_I in clips:
            shape = joined_IWMT.shape[:2]
            mel_BMT, embedding_BD = split(joined_IWMT.flatten(0, 1), self.embedding)
            embeddings.append(embedding_BD.double().view(*shape, -1))
            statistics.append(self.by_statistics.measured(mel_BMT).double().view(*shape, -1))
            labels.append(labels_I)
        return torch.cat(embeddings), torch.cat(statistics), torch.cat(labels)

    def _held_out(self, to_IWD: Tensor, by_IJD: Tensor, labels_I: Tensor, folds_I: Tensor) -> Tensor:
        """Out-of-fold logits [I, C] float64, by copies of the network trained without the clip's fold."""
        windows, eval_windows = to_IWD.shape[1], by_IJD.shape[1]
        logits_IC = to_IWD.new_zeros(len(labels_I), len(self.by_embeddings.bias), dtype=torch.float64)
        for fold in sorted(set(folds_I.tolist())):
            held_I = folds_I == fold
            network = copy.deepcopy(self.network)
            _train(network, to_IWD[~held_I].flatten(0, 1), labels_I[~held_I].repeat_interleave(windows))
            with torch.no_grad():
                logits_NC = network.eval()(by_IJD[held_I].flatten(0, 1))
            logits_IC[held_I] = logits_NC.view(-1, eval_windows, logits_NC.shape[1]).mean(1).double()
        return logits_IC


def _train(network: nn.Module, embeddings_ND: Tensor, labels_N: Tensor) -> None:
    """Train about as a run with an encoder does (see `core.training.presets.with_encoder`)."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=5e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, TRIAL_STEPS)
    generator = torch.Generator().manual_seed(0)
    network.train()
    for _ in range(TRIAL_STEPS):
        batch = torch.randint(len(labels_N), (TRIAL_BATCH,), generator=generator).to(labels_N.device)
        loss = F.cross_entropy(network(embeddings_ND[batch]), labels_N[batch], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
