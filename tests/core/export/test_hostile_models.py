"""Damaged, foreign and hostile model files: one clear sentence, and nothing is ever executed."""

import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_format
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from core.export.archive import MANIFEST, WEIGHTS, import_archive, write_archive
from core.inference import Classifier
from core.inference.onnx_backend import METADATA_KEY
from core.training.checkpoint import load_model
from core.util.errors import UserError
from tests.support.small_model import a_sound


class Exploit:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture
def archive(model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.zip"
    write_archive(model, "model", path)
    return path


def rewritten(archive: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]) -> Path:
    """The archive with another content, and a hash that is right for it."""
    with zipfile.ZipFile(archive) as file:
        manifest, weights = json.loads(file.read(MANIFEST)), load_tensors(file.read(WEIGHTS))
    change(manifest, weights)
    data = save_tensors(weights)
    if manifest.get("sha256") != "wrong":
        manifest["sha256"] = hashlib.sha256(data).hexdigest()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(MANIFEST, json.dumps(manifest))
        file.writestr(WEIGHTS, data)
    return archive


def refusal(path: Path) -> str:
    out = path.with_name("imported.pth")
    with pytest.raises(UserError) as refused:
        import_archive(path, out)
    assert not out.exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_there_and_back(model: Path, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "back.pth"
    import_archive(archive, out)
    before, after = load_model(model, torch.device("cpu")), load_model(out, torch.device("cpu"))
    for key, value in before.model.state_dict().items():
        assert torch.equal(value, after.model.state_dict()[key])
    assert (before.genres, before.calibration, before.epoch) == (after.genres, after.calibration, after.epoch)
    sound = a_sound("saw-wall")
    here = Classifier.load(model, "cpu").classify_file(sound)
    assert Classifier.load(out, "cpu").classify_file(sound).probabilities == here.probabilities


def test_no_path_of_the_maker_travels(model: Path, archive: Path) -> None:
    data = load_model(model, torch.device("cpu")).recipe.data
    with zipfile.ZipFile(archive) as file:
        assert str(Path(data).parent) not in file.read(MANIFEST).decode()


def test_damage_anywhere_is_noticed(archive: Path) -> None:
    whole = archive.read_bytes()
    for cut in range(0, len(whole), len(whole) // 40):
        archive.write_bytes(whole[:cut])
        assert refusal(archive)
    for at in range(60, len(whole) - 200, len(whole) // 40):
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        assert refusal(archive)


def test_foreign_files_are_called_by_their_name(model: Path, tmp_path: Path) -> None:
    assert "a PyTorch file" in refusal(model)
    path = tmp_path / "other.zip"
    path.write_bytes(b"no archive")
    assert "not an archive" in refusal(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    assert "no manifest.json" in refusal(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(MANIFEST, json.dumps({"format": "somebody else's", "version": 1}))
        file.writestr(WEIGHTS, b"")
    assert "somebody else's" in refusal(path)
    assert "does not exist" in refusal(tmp_path / "absent.zip")
    os.mkfifo(tmp_path / "pipe.zip")
    assert "cannot be read: it is not a regular file" in refusal(tmp_path / "pipe.zip")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m, w: m.update(version=99), "newer version"),
        (lambda m, w: m.pop("recipe"), "recipe"),
        (lambda m, w: m.update(sha256="wrong"), "do not match the checksum in its manifest"),
        (lambda m, w: m.update(genres=["jazz", "jazz"]), "names a genre twice"),
        (lambda m, w: m.update(genres=["jazz"]), "fewer than two genres"),
        (lambda m, w: m.update(genres=["jazz", "x" * 100_000]), "is longer than 200 characters"),
        (lambda m, w: m.update(genres=m["genres"] + ["polka"]), "do not fit"),
        (lambda m, w: m["recipe"].update(model="resnet_900"), "no model called"),
        (lambda m, w: m["recipe"].update(model="crnn"), "do not fit"),
        (lambda m, w: m["recipe"]["front_end"].update(n_mels=-1), "damaged"),
        (lambda m, w: m["recipe"]["front_end"].update(n_mels=10**12), "n_mels must be from 1"),
        (lambda m, w: m["recipe"]["front_end"].update(n_mels=4096), "do not fit"),
        (lambda m, w: m["recipe"].update(model_options={"hidden": 1}), "no option hidden"),
        (lambda m, w: m["recipe"].update(model="crnn", model_options={"hidden": 10**9}), "hidden of the model crnn"),
        (lambda m, w: m["calibration"].update(temperature="hot"), "calibration is damaged"),
        (lambda m, w: w.pop("blocks.0.0.bias"), "do not fit"),
        (lambda m, w: w.update(more=torch.zeros(3)), "do not fit"),
        (lambda m, w: w["blocks.0.0.bias"].fill_(float("nan")), "NaN or infinite"),
    ],
)
def test_a_manifest_that_lies_is_caught(archive: Path, change: Callable[..., None], said: str) -> None:
    import re

    assert re.search(said, refusal(rewritten(archive, change)))


def test_a_pickle_in_the_place_of_weights_is_not_loaded(archive: Path, tmp_path: Path) -> None:
    data = pickle.dumps(Exploit(tmp_path / "executed"))
    with zipfile.ZipFile(archive) as file:
        manifest = json.loads(file.read(MANIFEST))
    manifest["sha256"] = hashlib.sha256(data).hexdigest()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(MANIFEST, json.dumps(manifest))
        file.writestr(WEIGHTS, data)
    assert "weights" in refusal(archive)
    assert not (tmp_path / "executed").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_model_file_that_is_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    mark, path = tmp_path / "executed", tmp_path / "best_model.pth"
    torch.save({"format": 1, "weights": Exploit(mark)}, path)
    with pytest.raises(UserError, match=r"is not a model of genre-tui. It may hold code, which is not run.$"):
        Classifier.load(path)
    path.write_bytes(pickle.dumps(Exploit(mark)))
    with pytest.raises(UserError):
        Classifier.load(path)
    assert not mark.exists()


def test_an_exported_archive_is_called_one(archive: Path) -> None:
    with pytest.raises(UserError, match=r"exported archive; make a model of it with genre-tui import"):
        Classifier.load(archive)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.int(), "do not match the networks"),
        (lambda w: w.to(torch.complex64), "do not match the networks"),
        (lambda w: torch.zeros(1).expand(10**12), "have no values"),
    ],
)
def test_weights_of_another_kind_are_not_converted(
    model: Path, tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor], said: str
) -> None:
    content = torch.load(model, weights_only=True)
    name = "blocks.0.0.weight"
    content["weights"][name] = change(content["weights"][name])
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(UserError, match=said):
        load_model(tmp_path / "other.pth", torch.device("cpu"))


def test_a_compressed_archive_is_refused_before_it_unfolds(archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        manifest = file.read(MANIFEST)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(MANIFEST, manifest)
        file.writestr(WEIGHTS, bytes(100_000_000))
    assert archive.stat().st_size < 1_000_000
    assert "compressed or too large" in refusal(archive)


def onnx_refusal(path: Path) -> str:
    with pytest.raises(UserError) as refused:
        Classifier.load(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_damaged_onnx_models(onnx: Callable[[str], Path], tmp_path: Path) -> None:
    whole = onnx("small_cnn").read_bytes()
    path = tmp_path / "model.onnx"
    for content in (b"", b"garbage", whole[:1000], whole[: len(whole) // 2], bytes(100)):
        path.write_bytes(content)
        assert onnx_refusal(path)
    assert "cannot be read" in onnx_refusal(tmp_path / "absent.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(UserError, match="ONNX model, which can only classify"):
        load_model(onnx("small_cnn"), torch.device("cpu"))
    assert "it is not a regular file" in onnx_refusal(tmp_path / "pipe.onnx")
    newer = onnx_format.load_from_string(whole)
    newer.opset_import[0].version = 99
    path.write_bytes(newer.SerializeToString())
    assert "does not run on onnxruntime" in onnx_refusal(path)
    for start in (len(whole) // 2, len(whole) * 3 // 4):
        path.write_bytes(whole[:start] + bytes(64) + whole[start + 64 :])
        assert "damaged" in onnx_refusal(path), "a hole of zeros was not noticed"


def tiny_onnx(path: Path, card: str | None = None, **tensor: Any) -> Path:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4], np.zeros(4))
    for key, value in tensor.items():
        weights.ClearField("float_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
        [weights],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if card is not None:
        helper.set_model_props(model, {METADATA_KEY: card})
    path.write_bytes(model.SerializeToString())
    return path


def test_foreign_onnx_models(onnx: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    assert "not a model of genre-tui" in onnx_refusal(tiny_onnx(path))
    ours = onnx_format.load(str(onnx("small_cnn")))
    card = next(entry.value for entry in ours.metadata_props if entry.key == METADATA_KEY)
    assert "do not match its metadata" in onnx_refusal(tiny_onnx(path, card))
    assert "newer version" in onnx_refusal(tiny_onnx(path, card.replace('"version":1', '"version":2')))
    assert "metadata in" in onnx_refusal(tiny_onnx(path, card.replace('"genres":', '"no":')))


@pytest.mark.parametrize("location", ["secret", "../secret", "absolute"])
def test_an_onnx_model_cannot_reach_for_other_files(
    tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    for secret in (tmp_path / "secret", folder / "secret"):
        secret.write_bytes(np.ones(4, dtype=np.float32).tobytes())
    monkeypatch.chdir(folder)
    where = str(tmp_path / "secret") if location == "absolute" else location
    path = tiny_onnx(folder / "model.onnx", location=where, offset="0", length="16")
    assert "refers to other files" in onnx_refusal(path)
