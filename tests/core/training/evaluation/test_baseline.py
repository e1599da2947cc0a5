"""A report says what a network adds to the simplest models."""

import json
from pathlib import Path

import pytest
import torch

from core.dataset.clip import Clip
from core.dataset.store.feature_set import FeatureSet
from core.features.settings import FrontEndSettings
from core.training.evaluation.baseline import Baseline, baseline
from core.training.evaluation.evaluate import evaluate
from tests.support import trainer_runs as lives
from tui.cli import main

SETTINGS = FrontEndSettings(n_mels=8, hop_length=1024, seconds=1.0)
NO_BETTER = "The model is no better than this baseline"


def clip(number: int, genre: str) -> Clip:
    return Clip(
        path=Path(f"{number}.au"),
        genre=genre,
        name=str(number),
        content=str(number),
        rate=22_050,
        channels=1,
        format="AU",
        duration_s=1.0,
        columns={},
    )


def features(excerpts: int) -> FeatureSet:
    """Twenty low and ten high sounds; only the last excerpt of a clip says which it is."""
    torch.manual_seed(0)
    labels = torch.tensor([0] * 20 + [1] * 10)
    mel = torch.randint(0, 60, (30, excerpts, 8, SETTINGS.frames), dtype=torch.uint8)
    mel[:20, -1, :4] += 150
    mel[20:, -1, 4:] += 150
    return FeatureSet(
        mel=mel.flatten(0, 1),
        frames=torch.full((30 * excerpts,), SETTINGS.frames),
        labels=labels,
        genres=["low", "high"],
        clips=[clip(i, "low" if i < 20 else "high") for i in range(30)],
        settings=SETTINGS,
        counts=torch.full((30,), excerpts),
    )


@pytest.mark.parametrize("excerpts", [1, 3])
def test_all_excerpts_of_a_clip_count(excerpts: int) -> None:
    everything = torch.arange(30)
    found = baseline(features(excerpts), everything[::2], everything[1::2])
    assert found.majority == pytest.approx(10 / 15)
    assert found.best == found.svm > 0.9


def test_a_clip_of_a_single_frame_is_taken() -> None:
    whole = features(1)
    whole.frames[3] = 1
    assert 0 <= baseline(whole, torch.arange(0, 30, 2), torch.arange(1, 30, 2)).svm <= 1


def test_a_model_that_is_no_better_is_told_so() -> None:
    to_beat = Baseline(majority=0.5, svm=0.25)
    assert NO_BETTER in to_beat.as_text(0.5)
    assert NO_BETTER not in to_beat.as_text(0.6)
    assert "support-vector machine on band statistics has an accuracy of 25.0%" in to_beat.as_text(0.6)


def test_an_evaluation_has_it_where_the_training_clips_are_there(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lives.new_run(tmp_path, collection, epochs=1)
    lives.train(run)
    reported = json.loads(run.report_json_path.read_bytes())["baseline"]
    result = evaluate(run.best_model_path, collection, device="cpu")
    assert result["baseline"] == reported
    assert "baseline" not in evaluate(run.best_model_path, collection, part="all", device="cpu")
    assert main(["evaluate", str(run.best_model_path), str(collection), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "baseline: a support-vector machine on band statistics" in out
    assert (NO_BETTER in out) == (result["accuracy"] <= max(reported.values()))
