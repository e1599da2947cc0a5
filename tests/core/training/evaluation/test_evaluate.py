"""A model file on a dataset, honestly."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

from core.dataset.pack import pack
from core.dataset.settings import LabelSettings
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.journal.log_lines import percent
from core.training.checkpoint import PartClips, read_model, write_model
from core.training.evaluation.evaluate import evaluate
from core.training.evaluation.significance import interval_of_share
from core.util.errors import UserError
from tests.support import trainer_runs as lives
from tests.support.tones import GENRES, make_collection
from tui.cli import main


@pytest.fixture(scope="module")
def trained(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = lives.new_run(tmp_path_factory.mktemp("runs"), collection, epochs=4)
    lives.train(run)
    return run


@pytest.fixture(scope="module")
def other(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Another front end, another split, and hardly a training."""
    front_end = replace(lives.FRONT_END, n_mels=24, hop_length=300)
    split = replace(lives.recipe(collection).split, seed=5)
    run = lives.new_run(tmp_path_factory.mktemp("runs"), collection, epochs=1, front_end=front_end, split=split)
    lives.train(run)
    return run


def test_the_test_part_gives_the_figures_of_the_run(trained: RunFolder, collection: Path) -> None:
    tested = lives.of_kind(trained, ev.TestFinished)[0]
    result = evaluate(trained.best_model_path, collection, part="test", device="cpu")
    assert result["clips"] == 3 and result["confusion"] == tested.confusion
    assert result["loss"] == pytest.approx(tested.loss, rel=1e-5)
    assert result["accuracy"] == tested.accuracy and result["macro_f1"] == tested.macro_f1
    wilson = interval_of_share(tested.accuracy, 3)
    assert tuple(result["interval"]) == (wilson.low, wilson.high)
    assert "test part of the model's own random stratified split" in result["protocol"]


def test_by_default_nothing_that_was_learnt_from(trained: RunFolder, collection: Path) -> None:
    result = evaluate(trained.best_model_path, collection, device="cpu")
    assert result["clips"] == 3
    assert "27 that the model was trained on or selected by are left out" in result["protocol"]
    everything = evaluate(trained.best_model_path, collection, part="all", device="cpu")
    assert everything["clips"] == 30 and "trained on or selected by 27 of them" in everything["protocol"]


def test_a_pack_of_the_same_collection_is_recognised(trained: RunFolder, collection: Path, tmp_path: Path) -> None:
    pack(collection, tmp_path / "pack", lives.FRONT_END)
    audio = evaluate(trained.best_model_path, collection, device="cpu")
    packed = evaluate(trained.best_model_path, tmp_path / "pack", device="cpu")
    for figure in ("clips", "accuracy", "loss", "confusion"):
        assert packed[figure] == audio[figure]


def test_a_column_and_genres_that_the_model_does_not_know(trained: RunFolder, tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres", {**GENRES, "new": 700.0}, clips=3)
    rows = [f"{genre}.{i:05d},{'a' if i else 'b'}" for genre in [*GENRES, "new"] for i in range(3)]
    (data / "index.csv").write_text("\n".join(["name,half", *rows]))
    result = evaluate(trained.best_model_path, data, split_column="half", part="a", device="cpu")
    assert result["clips"] == 6
    assert result["protocol"].startswith("a of the column half")
    assert "2 clips of genres that the model does not know" in result["protocol"]
    with pytest.raises(UserError, match="No clip has 'c'"):
        evaluate(trained.best_model_path, data, split_column="half", part="c", device="cpu")


def test_what_cannot_be_evaluated_says_why(trained: RunFolder, collection: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no part 'best'"):
        evaluate(trained.best_model_path, collection, part="best", device="cpu")
    with pytest.raises(UserError, match="does not exist"):
        evaluate(tmp_path / "none.pth", collection, device="cpu")
    torch.save({"other": 1}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="not a model of genre-tui"):
        evaluate(tmp_path / "other.pth", collection, device="cpu")
    content = lives.load(trained.best_model_path)
    for weight in content["weights"].values():
        if weight.is_floating_point():
            weight.fill_(3e38)
    torch.save(content, tmp_path / "huge.pth")
    with pytest.raises(UserError, match=r"huge\.pth is damaged: its output is NaN or infinite"):
        evaluate(tmp_path / "huge.pth", collection, device="cpu")


def test_two_models_are_evaluated_on_the_same_clips_each_by_its_own_front_end(
    trained: RunFolder, other: RunFolder, collection: Path
) -> None:
    result = evaluate(trained.best_model_path, collection, against=other.best_model_path, part="all", device="cpu")
    assert result["clips"] == result["mcnemar"]["clips"] == 30
    assert "the model was trained on or selected by 27 of them, the other model was trained on" in result["protocol"]
    alone = evaluate(other.best_model_path, collection, part="all", device="cpu")
    assert result["against"] == {"model": str(other.best_model_path), "accuracy": alone["accuracy"]}
    # The two differ in as many clips as their mistakes do.
    wrong = [{m["path"] for m in one["misclassified"]} for one in (result, alone)]
    test = result["mcnemar"]
    assert (test["only_this"], test["only_other"]) == (len(wrong[1] - wrong[0]), len(wrong[0] - wrong[1]))
    assert test["only_this"] > 0 and 0 < test["p"] <= 1


def test_what_either_model_knows_is_left_out(trained: RunFolder, collection: Path, tmp_path: Path) -> None:
    content = read_model(trained.best_model_path)
    parts = content.dataset.parts
    train, test = parts["train"], parts["test"]
    parts["train"] = PartClips(train.content + test.content[:1], train.name + test.name[:1])
    parts["test"] = PartClips(test.content[1:], test.name[1:])
    write_model(tmp_path / "knows_more.pth", content)
    result = evaluate(trained.best_model_path, collection, against=tmp_path / "knows_more.pth", device="cpu")
    assert result["clips"] == result["mcnemar"]["clips"] == 2
    assert "28 that one model or the other was trained on or selected by are left out" in result["protocol"]
    assert result["mcnemar"] == {"clips": 2, "only_this": 0, "only_other": 0, "p": 1.0}
    with pytest.raises(UserError, match="One model or the other was trained on or selected by every one"):
        learnt = read_model(trained.best_model_path)
        learnt.dataset.parts["valid"] = learnt.dataset.parts["test"]
        write_model(tmp_path / "knows_the_rest.pth", learnt)
        evaluate(trained.best_model_path, collection, against=tmp_path / "knows_the_rest.pth", device="cpu")
    asked = evaluate(
        trained.best_model_path, collection, against=tmp_path / "knows_more.pth", part="test", device="cpu"
    )
    assert asked["clips"] == 3
    assert "(the other model was trained on or selected by 1 of them: not a measure of accuracy)" in asked["protocol"]


def test_two_models_are_evaluated_on_genres_that_both_know(trained: RunFolder, tmp_path: Path) -> None:
    two = make_collection(tmp_path / "two" / "genres", {"tone": 440.0, "hum": 110.0}, clips=10)
    run = lives.new_run(tmp_path / "runs", two, epochs=1)
    lives.train(run)
    data = make_collection(tmp_path / "new" / "genres", dict(reversed(GENRES.items())), clips=4)
    result = evaluate(trained.best_model_path, data, against=run.best_model_path, part="all", device="cpu")
    assert result["clips"] == 8
    assert "4 clips of genres that one model or the other does not know left out" in result["protocol"]


def test_a_clip_that_one_front_end_cannot_use_is_evaluated_by_neither(
    trained: RunFolder, collection: Path, tmp_path: Path
) -> None:
    import soundfile

    data = tmp_path / "genres"
    shutil.copytree(collection, data)
    y, rate = soundfile.read(data / "hum" / "hum.00000.wav")
    y[: round(0.6 * rate)] = 0  # silent in the half second that the other model hears
    soundfile.write(data / "hum" / "hum.00000.wav", y, rate)
    short = replace(lives.FRONT_END, seconds=0.5)
    run = lives.new_run(tmp_path / "runs", collection, epochs=1, front_end=short, crop_seconds=0.5)
    lives.train(run)
    left_out: list[str] = []
    result = evaluate(
        trained.best_model_path,
        data,
        against=run.best_model_path,
        part="all",
        device="cpu",
        on_excluded=lambda file: left_out.append(file.reason),
    )
    assert result["clips"] == result["mcnemar"]["clips"] == 29
    assert left_out == ["is silent in its first 0.5 s"]


def test_a_pack_that_does_not_fit_says_what_is_the_matter(
    trained: RunFolder, other: RunFolder, collection: Path, tmp_path: Path
) -> None:
    pack(collection, tmp_path / "pack", lives.FRONT_END)
    with pytest.raises(UserError, match=r"another front end than that of .*hop_length 256 and not 300.*n_mels 32"):
        evaluate(trained.best_model_path, tmp_path / "pack", against=other.best_model_path, part="all", device="cpu")
    pack(collection, tmp_path / "short", replace(lives.FRONT_END, seconds=0.5))
    with pytest.raises(UserError, match=r"clips last 0.5 s, and .* needs windows of 1 s"):
        evaluate(trained.best_model_path, tmp_path / "short", part="all", device="cpu")


def test_a_column_of_many_values_names_the_most_frequent(trained: RunFolder, tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres", clips=10)
    rows = [f"{genre}.{i:05d},{genre} {max(i, 3)}" for genre in GENRES for i in range(10)]
    (data / "index.csv").write_text("\n".join(["name,artist", *rows]))
    with pytest.raises(UserError) as raised:
        evaluate(trained.best_model_path, data, split_column="artist", device="cpu")
    text = str(raised.value)
    assert "hum 3 (4), tone 3 (4), whistle 3 (4), " in text and text.endswith(", … and 13 more.")
    assert "with --part" in text


def test_the_command_tells_interval_comparison_and_what_was_left_out(
    trained: RunFolder, other: RunFolder, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "genres"
    shutil.copytree(collection, data)
    (data / "hum" / "broken.wav").write_bytes(b"none")
    command = ["evaluate", str(trained.best_model_path), str(data), "--part", "all", "--device", "cpu"]
    command += ["--runs", str(other.path.parent), "--against", other.path.name]
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    assert "left out hum/broken.wav: " in captured.err
    facts = json.loads(captured.out)
    test = facts["mcnemar"]
    assert main(command) == 0
    text = capsys.readouterr().out
    low, high = facts["interval"]
    assert f"95% interval of the accuracy {percent(low)} to {percent(high)}" in text
    assert (
        f"McNemar's test: p = {test['p']:.3g}; {test['only_this']} of 30 clips correct only with this model, "
        f"{test['only_other']} only with the other"
    ) in text


def test_a_tree_gives_accuracy_at_both_levels(trained: RunFolder, tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres", {**GENRES, "new": 700.0}, clips=2)
    first, second, *_ = sorted(GENRES)
    (tmp_path / "tree.csv").write_text(f"child,parent\n{first},root\n{second},root\nnew,{first}\n")
    labels = LabelSettings(tree=str(tmp_path / "tree.csv"))
    result = evaluate(trained.best_model_path, data, part="all", labels=labels, device="cpu")
    leaf, top = result["levels"]["leaf"], result["levels"]["top"]
    assert (leaf["accuracy"], leaf["macro_f1"]) == (result["accuracy"], result["macro_f1"])
    assert leaf["genres"] == sorted(GENRES)
    assert top["genres"] == sorted({"root", *sorted(GENRES)[2:]})
    confusion, pair = result["confusion"], slice(0, 2)
    right = sum(map(sum, (row[pair] for row in confusion[pair]))) + sum(confusion[i][i] for i in range(2, len(GENRES)))
    assert top["accuracy"] == right / result["clips"] >= leaf["accuracy"]
    (tmp_path / "flat.csv").write_text(f"child,parent\nnew,{first}\n")
    flat = LabelSettings(tree=str(tmp_path / "flat.csv"))
    known = evaluate(trained.best_model_path, data, part="all", labels=flat, device="cpu")
    assert "levels" not in known
    assert known["clips"] == 2 * len(GENRES) + 2  # the new genre counts under its root, which the model knows


def test_the_command_prints_both_levels(
    trained: RunFolder, collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, *_ = sorted(GENRES)
    (tmp_path / "tree.csv").write_text(f"child,parent\n{first},root\n{second},root\n")
    tree = str(tmp_path / "tree.csv")
    assert main(["evaluate", str(trained.best_model_path), str(collection), "--tree", tree, "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert f"level leaf, {len(GENRES)} genres: accuracy " in printed
    assert f"level top, {len(GENRES) - 1} genres: accuracy " in printed
