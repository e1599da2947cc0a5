"""Clips compared, doubted and taught by the embeddings of an encoder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.dataset.clip import DatasetError
from core.features.settings import EncoderSettings
from core.inference.classifier import Classifier
from core.labelling.embedding import WINDOWS, EmbeddedSet, embed_dataset, encode
from core.labelling.session import LabelSession
from core.training.checkpoint import read_model
from core.util.errors import UserError
from tests.support.encoders import install_random_musicnn
from tests.support.folders import genre_folder
from tui.cli import main
from tui.shell.printing import DONE, FAILED, USAGE


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EncoderSettings:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    return install_random_musicnn(monkeypatch)


@pytest.fixture
def found(tmp_path: Path, encoder: EncoderSettings) -> EmbeddedSet:
    """Clips of one and of three windows of the encoder."""
    music = genre_folder(tmp_path / "music", {"jazz": 3, "metal": 3}, seconds=2.0)
    return embed_dataset(genre_folder(music / "more", {"jazz": 1, "metal": 1}, seconds=9.0).parent)


def test_a_clip_has_the_embeddings_of_its_parts(found: EmbeddedSet, encoder: EncoderSettings) -> None:
    embeddings_NWD = encode(found, encoder)
    assert embeddings_NWD.shape == (8, WINDOWS, encoder.dim) and np.isfinite(embeddings_NWD).all()
    for clip, parts_WD in zip(found.clips, embeddings_NWD, strict=True):
        assert (len(np.unique(parts_WD, axis=0)) == 1) == (clip.duration_s < 3)
    computed: list[int] = []
    again = encode(found, encoder, on_features=lambda done, total, cached: computed.append(total - cached))
    assert set(computed) <= {0} and np.array_equal(again, embeddings_NWD)


def test_an_encoder_doubts_teaches_and_finds_what_sounds_alike(
    found: EmbeddedSet, encoder: EncoderSettings, tmp_path: Path
) -> None:
    session = LabelSession(found, tmp_path / "labels.csv")
    alone, near = session.suspects, session.neighbours(0, 3)
    session.ask(encoder=encoder.name)
    assert {one.name: one.doubt for one in session.suspects} != {one.name: one.doubt for one in alone}
    assert all(sum(one.probabilities.values()) == pytest.approx(1, abs=1e-5) for one in session.suspects)
    session.rank()
    assert session.prediction(0).segments
    with pytest.raises(UserError, match="encoders get owner/name"):
        session.ask(encoder="owner/name")
    session.ask()
    assert session.suspects == alone and session.neighbours(0, 3) == near

    bare = replace(found, clips=[replace(clip, genre="") for clip in found.clips])
    taught = LabelSession(bare, tmp_path / "other.csv")
    taught.add_examples(found)
    taught.ask(encoder=encoder.name)
    ranking = taught.rank()
    assert len(ranking.order) == 8 and taught.suspects == []
    assert ranking.suggested == [clip.genre for clip in found.clips], "the examples are the same clips"
    with pytest.raises(UserError, match="choose an encoder to learn by"):
        taught.ask(tmp_path / "model.pth")


def test_a_model_of_labels_classifies_by_the_embeddings(
    found: EmbeddedSet, encoder: EncoderSettings, tmp_path: Path
) -> None:
    session = LabelSession(found, tmp_path / "labels.csv")
    session.ask(encoder=encoder.name)
    made = session.make_model(tmp_path / "runs")
    model = read_model(made.run.best_model_path)
    assert model.recipe.encoder == encoder and made.clips == 8
    classifier = Classifier.load(made.run.best_model_path)
    assert model.weights["weights"].tolist() == [0, 1, 0], "the embeddings alone have a say"
    for clip in found.clips[::3]:
        prediction = classifier.classify_file(clip.path, nearest=1)
        assert prediction.genre == clip.genre and prediction.nearest[0].genre == clip.genre


def test_the_commands_ask_an_encoder_or_say_how_to_get_it(
    found: EmbeddedSet, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(found.root)

    def doubts(*options: str) -> dict[str, float]:
        assert main(["data", "suspects", data, "--json", *options]) == DONE
        lines = map(json.loads, capsys.readouterr().out.splitlines())
        return {line["path"]: line["doubt"] for line in lines}

    assert doubts("--encoder", "musicnn") != doubts()
    query = found.clips[0]
    assert main(["similar", str(query.path), data, "--encoder", "musicnn", "--json", "--top", "3"]) == DONE
    by_path = capsys.readouterr().out
    assert (
        main(["similar", f"{query.genre}/{query.name}", data, "--encoder", "musicnn", "--json", "--top", "3"]) == DONE
    )
    assert json.loads(capsys.readouterr().out.splitlines()[0])["path"] == json.loads(by_path.splitlines()[0])["path"]
    assert main(["similar", str(query.path), data, "--encoder", "owner/name"]) == FAILED
    assert "genre-tui encoders get owner/name" in capsys.readouterr().err
    assert main(["data", "suspects", data, "--encoder", "musicnn", "--model", "default"]) == USAGE


def test_a_pack_cannot_be_encoded(found: EmbeddedSet, encoder: EncoderSettings, tmp_path: Path) -> None:
    assert main(["data", "pack", str(found.root), str(tmp_path / "packed")]) == DONE
    packed = embed_dataset(tmp_path / "packed")
    with pytest.raises(DatasetError, match="a feature pack holds none"):
        encode(packed, encoder)
