"""The one reader of model files: what no model can hold is refused in one sentence, and nothing else changes."""

import copy
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.inference import Classifier
from core.training.checkpoint import load_model, read_model, read_training, to_plain, write_model
from core.util.errors import UserError
from tests.support import trainer_runs as lives
from tests.support.small_model import shared_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return lives.load(shared_model())


def test_what_is_written_is_what_was_read(tmp_path: Path, content: dict[str, Any]) -> None:
    write_model(tmp_path / "again.pth", read_model(shared_model()))
    lives.assert_same(lives.load(tmp_path / "again.pth"), content)
    loaded = load_model(tmp_path / "again.pth", CPU)
    lives.assert_same(loaded.model.state_dict(), content["weights"])
    assert loaded.genres == content["genres"] and to_plain(loaded.recipe) == content["recipe"]


def test_a_pipe_in_place_of_a_checkpoint_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "best_model.pth")
    for read in (read_model, read_training):
        with pytest.raises(UserError, match=r"is damaged, or is not .* \(it is not a regular file\)"):
            read(tmp_path / "best_model.pth")


def change_a_weight(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict[str, Any]], None]:
    def spoil(content: dict[str, Any]) -> None:
        name = next(name for name, weights in content["weights"].items() if weights.is_floating_point())
        content["weights"][name] = change(content["weights"][name])

    return spoil


def spoil_a_weight(value: float) -> Callable[[dict[str, Any]], None]:
    def spoil(content: dict[str, Any]) -> None:
        name = next(name for name, weights in content["weights"].items() if weights.is_floating_point())
        content["weights"][name].view(-1)[0] = value

    return spoil


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (spoil_a_weight(math.nan), "NaN or infinite"),
        (spoil_a_weight(-math.inf), "NaN or infinite"),
        *[
            (lambda c, value=value: c["calibration"].update(temperature=value), "temperature must be a positive number")
            for value in (0, -1.0, math.nan, math.inf, None, [1.0])
        ],
        (lambda c: c.update(genres=[*c["genres"][:-1], c["genres"][0]]), "names a genre twice"),
        (lambda c: c.update(genres=[*c["genres"][:-1], 7]), "genres"),
        (lambda c: c.update(genres=[*c["genres"][:-1], ""]), "genres"),
        (lambda c: c.update(genres=None), "genres"),
        (lambda c: c.update(genres=[*c["genres"][:-1], "\x1b[31m"]), r"genre '\\\\x1b\[31m' holds control characters"),
        (lambda c: c.update(genres=[*c["genres"][:-1], "\ud800"]), "holds control characters"),
        (lambda c: c.update(genres=[*c["genres"][:-1], "../x"]), "is a path out of its folder"),
        (lambda c: c["calibration"].update(temperature="hot"), "calibration"),
        (lambda c: c["calibration"].update(entropy_limit="\ud800"), "damaged"),
        (lambda c: c["calibration"].update(texture_mean=torch.zeros(2)), "calibration"),
        (lambda c: c["recipe"].update(seed="\ud800"), "damaged"),
        (change_a_weight(lambda weight: weight.to("meta")), "sparse or have no values"),
        (change_a_weight(lambda weight: weight.to_sparse()), "sparse or have no values"),
        (lambda c: c.update(epoch=-1), "epoch"),
        (lambda c: c.update(calibration=[]), "calibration"),
        (lambda c: c.update(weights={"a": 1}), "weights"),
        (lambda c: c.pop("recipe"), "recipe"),
        (lambda c: c["recipe"].update(epochs="all"), "epochs"),
        (lambda c: c["recipe"].update(seed=-1), "seed"),
        (lambda c: c.update(dataset={"parts": {"train": 3}}), "dataset"),
        (lambda c: c.update(format=99), "newer version"),
        (lambda c: c.update(format=None), "is not a model"),
        (lambda c: c["weights"].popitem(), "do not match"),
    ],
)
def test_what_no_model_holds_is_refused(
    tmp_path: Path, content: dict[str, Any], change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    spoilt, path = copy.deepcopy(content), tmp_path / "model.pth"
    change(spoilt)
    torch.save(spoilt, path)
    with pytest.raises(UserError, match=sentence) as error:
        load_model(path, CPU)
    assert "\n" not in str(error.value) and "model.pth" in str(error.value)


def test_a_window_of_absurd_length_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    spoilt = copy.deepcopy(content)
    spoilt["recipe"]["least_crop_frames"] = 10**18
    torch.save(spoilt, tmp_path / "model.pth")
    with pytest.raises(UserError, match="a window cannot have"):
        Classifier.load(tmp_path / "model.pth", "cpu")


def test_genres_of_every_script_are_names(tmp_path: Path, content: dict[str, Any]) -> None:
    names = ["موسیقی\u200cسنتی", "Hip\u00a0Hop", "演歌\u3000歌謡曲", "👩\u200d🎤"]
    torch.save(content | {"genres": names}, tmp_path / "model.pth")
    assert load_model(tmp_path / "model.pth", CPU).genres == names
    assert Classifier.load(tmp_path / "model.pth", "cpu").genres == names


def test_damage_anywhere_is_noticed(tmp_path: Path) -> None:
    """A hole of zeros at each hundredth of the file: refused, unless there were zeros or padding before."""
    whole, path = shared_model().read_bytes(), tmp_path / "model.pth"
    weights, refused = read_model(shared_model()).weights, 0
    for i in range(100):
        begin = len(whole) * i // 100
        damaged = whole[:begin] + bytes(32) + whole[begin + 32 :]
        path.write_bytes(damaged)
        try:
            lives.assert_same(read_model(path).weights, weights)
        except UserError:
            refused += 1
    assert refused > 50


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(shared_model()) as old, zipfile.ZipFile(tmp_path / "m.pth", "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    with pytest.raises(UserError, match="compressed"):
        load_model(tmp_path / "m.pth", CPU)


def test_weights_only_loading_runs_no_code(tmp_path: Path) -> None:
    from core.training.checkpoint import load_model
    from core.util.errors import UserError

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "model.pth"
    torch.save({"format": 1, "weights": Trap()}, path)
    with pytest.raises(UserError, match="damaged, or is not"):
        load_model(path, torch.device("cpu"))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"\x80\x04garbage"])
def test_what_is_no_model_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    from core.training.checkpoint import load_model
    from core.util.errors import UserError

    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_model(path, torch.device("cpu"))
    assert "\n" not in str(error.value) and "model.pth" in str(error.value)
