"""A head on an encoder gives weight to the parts that help on clips of other groups, and to no others."""

import pytest
import torch
from torch import Tensor

from core.models.encoders.encoder import join
from core.models.networks.encoder_head import EncoderHead
from core.models.registry import FRAME_SECONDS, build_model
from core.util.errors import UserError

DIM, MELS, FRAMES = 24, 16, 40


def head() -> EncoderHead:
    return EncoderHead(n_mels=MELS, genres=2, frame_seconds=FRAME_SECONDS, embedding=DIM, memory=20)


def windows(clips: int, *, in_embedding: bool, in_sound: bool) -> tuple[Tensor, Tensor]:
    """Joined windows [I, 2, M, T] whose genre shows in the embedding, in how fast the sound moves, or in neither."""
    labels = torch.arange(clips) % 2
    embedding = torch.randn(clips, 2, DIM)
    embedding[:, :, 0] += 4 * (labels[:, None] - 0.5) * in_embedding
    mel = torch.randn(clips, 2, MELS, FRAMES)
    slow = torch.nn.functional.avg_pool1d(torch.randn(clips * 2, MELS, FRAMES + 5), 6, 1).view_as(mel) * 6**0.5
    if in_sound:
        mel = torch.where(labels[:, None, None, None] == 0, mel, slow)
    joined = join((mel * 5 - 40).flatten(0, 1), embedding.flatten(0, 1))
    return joined.view(clips, 2, MELS, -1), labels


def fitted(**where: bool) -> EncoderHead:
    torch.manual_seed(0)
    model = head()
    clips = windows(48, **where)
    model.fit([clips], [clips], torch.arange(48) // 2 % 4)
    return model.eval()


def test_statistics_join_where_they_help_and_only_there() -> None:
    weights = fitted(in_embedding=True, in_sound=False).describe()["weights"]
    assert weights["network"] + weights["embeddings"] > 0.1
    chosen = fitted(in_embedding=False, in_sound=True)
    assert chosen.describe()["accuracies"]["statistics"] > 0.9
    logits = chosen(windows(40, in_embedding=False, in_sound=True)[0][:, 0])
    assert (logits.argmax(1) == torch.arange(40) % 2).float().mean() > 0.9


def test_embeddings_decide_where_the_genre_shows_in_them() -> None:
    model = fitted(in_embedding=True, in_sound=False)
    new, labels = windows(60, in_embedding=True, in_sound=False)
    assert (model(new[:, 0]).argmax(1) == labels).float().mean() > 0.9
    assert model.describe()["accuracies"]["ensemble"] > 0.9


def test_what_helps_nowhere_gets_no_confidence() -> None:
    model = fitted(in_embedding=False, in_sound=False)
    probabilities = model(windows(40, in_embedding=False, in_sound=False)[0][:, 0]).softmax(1)
    assert probabilities.amax(1).mean() < 0.8


def test_training_is_of_the_network_alone_and_everything_travels_with_the_weights() -> None:
    model = fitted(in_embedding=True, in_sound=True)
    joined = windows(6, in_embedding=True, in_sound=True)[0][:, 0]
    alone = model.train()(joined)
    assert alone.requires_grad
    copy = head()
    copy.load_state_dict(model.state_dict())
    torch.testing.assert_close(copy.eval()(joined), model.eval()(joined))
    assert copy.describe() == model.describe()


def test_a_single_group_leaves_the_defaults() -> None:
    torch.manual_seed(0)
    model = head()
    clips = windows(20, in_embedding=True, in_sound=False)
    model.fit([clips], [clips], torch.zeros(20, dtype=torch.int64))
    assert model.describe()["weights"] == {"network": 0.5, "embeddings": 1.0, "statistics": 0.0}
    assert model.eval()(clips[0][:, 0]).isfinite().all()


def test_it_is_built_by_name_with_the_size_of_the_embedding() -> None:
    model = build_model("encoder_head", n_mels=MELS, genres=3, frames=FRAMES, embedding=DIM, hidden=8)
    assert model.eval()(torch.randn(2, MELS, FRAMES + 2)).shape == (2, 3)
    with pytest.raises(UserError, match="no option embeddings"):
        build_model("encoder_head", n_mels=MELS, genres=3, frames=FRAMES, embedding=DIM, embeddings=8)
