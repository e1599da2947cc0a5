"""What is different on a CUDA GPU; skipped where there is none. Everything else is tested on the CPU."""

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.audio.files.decode import decode
from core.dataset.scan import scan
from core.dataset.store.extract import compute_features, in_batches
from core.dataset.store.feature_set import DiskArray, FeatureSet
from core.dataset.store.feature_store import FeatureStore
from core.features.log_mel import FrontEnd, quantise
from core.features.settings import AugmentationSettings, FrontEndSettings
from core.inference.classifier import Classifier
from core.inference.find_model import default_model
from core.models.registry import MODEL_NAMES
from core.runs.journal import events as ev
from core.training.checkpoint import to_plain
from core.training.loop.init import augmentation, init_train_state
from core.training.loop.loader import BatchLoader, random_windows
from core.training.loop.precision import triton_works
from core.training.loop.step import Step, build_step
from core.training.loop.train import Callbacks, train_epoch
from core.training.loop.train_state import TrainState
from core.training.recipe import Recipe
from core.training.run.checkpointing import HostCopies
from tests.support import trainer_runs as lives
from tests.support.folders import mixed_folder
from tests.support.sounds import sweep, write

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as in a trainer, before CUDA begins
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
CUDA = torch.device("cuda", 0)
SETTINGS = FrontEndSettings(n_mels=32, seconds=2.0)
EVERY_EFFECT = AugmentationSettings(
    time_stretch=0.5, pitch_shift=0.5, noise=0.5, gain=0.5, tilt=0.5, equaliser=0.5, roll=0.5,
    time_mask=0.5, frequency_mask=0.5, mixup=0.5,
)  # fmt: skip
UNEVEN = {"batch_size": 7, "crops_per_clip": 3}
"""Batches of two sizes."""


class Losses(Callbacks):
    """Keeps every loss without reading it."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None:
        self.kept.append(loss.clone())

    @property
    def values(self) -> list[float]:
        return torch.stack(self.kept).tolist()


@pytest.fixture(scope="module")
def features(collection: Path) -> FeatureSet:
    return compute_features(scan(collection).clips, lives.FRONT_END)[0]


def learner_of(recipe: Recipe, features: FeatureSet) -> tuple[TrainState, BatchLoader]:
    loader = BatchLoader(features, recipe.input_frames, CUDA)
    return init_train_state(recipe, loader, torch.arange(len(features))), loader


def epoch(step: Step, loader: BatchLoader, number: int, callbacks: Any) -> None:
    recipe = step.train_state.recipe
    windows = random_windows(
        torch.arange(len(loader.labels)),
        loader.excerpts,
        loader.frames,
        loader.width,
        recipe.crops_of_each(len(loader.labels)),
        recipe.seed,
        number,
    )
    train_epoch(step, loader.batches(windows, recipe.batch_size), callbacks)


def test_the_front_end_is_the_cpus(tmp_path: Path) -> None:
    y, _ = decode(write(tmp_path / "a.wav", sweep(2, 22_050), 22_050))
    wave_BN = torch.from_numpy(y)[None]
    here = FrontEnd(SETTINGS)(wave_BN)
    there = FrontEnd(SETTINGS).to(CUDA)(wave_BN.to(CUDA)).cpu()
    assert (quantise(here, SETTINGS.top_db).int() - quantise(there, SETTINGS.top_db).int()).abs().max() <= 1


def test_features_of_mixed_files_are_the_cpus(tmp_path: Path) -> None:
    found = scan(mixed_folder(tmp_path / "genres"))
    here, _ = compute_features(found.clips, SETTINGS, store=FeatureStore(SETTINGS, tmp_path / "here"))
    there, excluded = compute_features(
        found.clips, SETTINGS, device=CUDA, store=FeatureStore(SETTINGS, tmp_path / "there")
    )
    assert excluded == [] and there.clips == here.clips
    for i, clip in enumerate(here.clips):
        assert abs(int(here.frames[i]) - int(there.frames[i])) <= 1
        frames = min(int(here.frames[i]), int(there.frames[i]))
        difference = (here.batch([i]).int() - there.batch([i]).int())[0, :, :frames].abs()
        # The two resamplers differ where next to nothing is left of the sound, near half the rate.
        assert difference.max() <= (1 if clip.rate in (22_050, 44_101) else 40)
        assert difference.float().mean() < 1


def test_files_of_other_rates_in_one_batch_do_not_touch_each_other(tmp_path: Path) -> None:
    found = scan(mixed_folder(tmp_path / "genres"))
    front_end = FrontEnd(SETTINGS).to(CUDA)
    together = {clip.name: codes for clip, codes in in_batches(found.clips, front_end, CUDA)}
    for clip in found.clips:
        [(_, alone)] = in_batches([clip], front_end, CUDA)
        assert isinstance(alone, Tensor) and isinstance(together[clip.name], Tensor)
        assert (alone.int() - together[clip.name].int()).abs().max() <= 1  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernels(dtype: torch.dtype) -> None:
    if not triton_works(CUDA):
        pytest.skip("Triton cannot compile kernels for this GPU on this machine")
    from tests.support import kernel_checks

    for shape in ((16, 32, 128, 130), (3, 64, 33, 47), (2, 128, 16, 161), (1, 32, 2, 3)):
        kernel_checks.check_norm_pool(shape, dtype, "cuda")
    for shape in ((16, 1, 128, 130), (1, 1, 33, 47)):
        kernel_checks.check_one_channel(shape, dtype, "cuda")
    kernel_checks.check_norm_pool((4, 32, 8, 10), torch.float32, "cuda", mean=2000.0, deviation=1.0)
    kernel_checks.check_no_number("cuda")
    kernel_checks.check_block(1, "cuda")
    kernel_checks.check_block(16, "cuda")


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_a_recorded_step_does_what_its_kernels_do(collection: Path, features: FeatureSet, model: str) -> None:
    """Bit for bit: losses, weights, sums and the state of the random generators, over two epochs of two batch sizes."""
    on_gpu = features.to(CUDA)
    recipe = lives.recipe(
        collection, model=model, precision="bfloat16", device="cuda", **UNEVEN,
        optimiser=lives.EVERYTHING["optimiser"], augmentation=EVERY_EFFECT,
    )  # fmt: skip
    outcomes = []
    for make in (Step, build_step):
        train_state, loader = learner_of(recipe, on_gpu)
        assert train_state.cuda_graph
        step, callbacks = make(train_state, augmentation(recipe)), Losses()
        for number in (1, 2):
            epoch(step, loader, number, callbacks)
        outcomes.append((callbacks.values, to_plain(train_state.checkpoint())))
    (by_kernels, one), (recorded, other) = outcomes
    assert len(by_kernels) == 2 * train_state.batches and len(set(by_kernels)) > 20
    assert recorded == by_kernels
    lives.assert_same(one, other)


def test_an_epoch_does_not_wait_for_the_device(collection: Path, features: FeatureSet) -> None:
    recipe = lives.recipe(collection, precision="bfloat16", device="cuda", augmentation=EVERY_EFFECT, **UNEVEN)
    train_state, loader = learner_of(recipe, features.to(CUDA))
    step, callbacks = build_step(train_state, augmentation(recipe)), Losses()
    epoch(step, loader, 1, callbacks)  # recording waits, once for each size
    torch.cuda.set_sync_debug_mode("error")
    try:
        epoch(step, loader, 2, callbacks)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(value > 0 for value in callbacks.values)


def test_windows_from_disk_are_those_in_memory(features: FeatureSet) -> None:
    assert isinstance(features.mel, DiskArray)
    windows = random_windows(torch.arange(len(features)), features.excerpts, features.frames, 40, 2, seed=3, epoch=1)
    pairs = zip(
        BatchLoader(features, 40, CUDA).batches(windows, 7),
        BatchLoader(features.to(CUDA), 40, CUDA).batches(windows, 7),
        strict=True,
    )
    count = 0
    for one, other in pairs:
        assert one.mel_BMT.device == CUDA
        assert torch.equal(one.mel_BMT, other.mel_BMT) and torch.equal(one.labels_B, other.labels_B)
        count += len(one.labels_B)
    assert count == 2 * len(features)


def losses(runs: Path, collection: Path, **changes: Any) -> list[float]:
    run = lives.new_run(runs, collection, **changes)
    assert isinstance(lives.train(run), ev.RunFinished)
    return [finished.train_loss for finished in lives.of_kind(run, ev.EpochFinished)]


def test_the_fast_path_trains_as_the_plain_one_does(collection: Path, tmp_path: Path) -> None:
    calm = {"batch_size": 12, "model_options": {"dropout": 0.0}, "device": "cuda"}
    plain = losses(tmp_path / "plain", collection, plain=True, **calm)
    fast = losses(tmp_path / "fast", collection, **calm)
    rounded = losses(tmp_path / "rounded", collection, precision="bfloat16", **calm)
    assert fast[:2] == pytest.approx(plain[:2], rel=0.02)
    assert fast[-1] < 0.3 * fast[0]
    assert rounded[:2] == pytest.approx(plain[:2], rel=0.08)
    assert rounded[-1] < 0.3 * rounded[0]


def test_a_copy_for_the_checkpoint_outlives_further_steps(collection: Path, features: FeatureSet) -> None:
    recipe = lives.recipe(collection, device="cuda", **lives.EVERYTHING)
    train_state, loader = learner_of(recipe, features.to(CUDA))
    step, copies = build_step(train_state), HostCopies()
    epoch(step, loader, 1, Losses())
    expected = copy.deepcopy(to_plain(train_state.checkpoint()))
    taken = copies.take(train_state.checkpoint())
    epoch(step, loader, 2, Losses())
    for (name, own), whole in zip(taken.weights.items(), expected["weights"].values(), strict=True):
        assert own.is_pinned() and torch.equal(own, whole.cpu()), name
    assert taken.progress.step == expected["place"]["step"] < train_state.progress.step
    places = [weights.data_ptr() for weights in taken.weights.values()]
    again = copies.take(train_state.checkpoint())
    assert [weights.data_ptr() for weights in again.weights.values()] == places  # no memory is pinned twice
    lives.assert_same(again.weights, {name: own.cpu() for name, own in train_state.model.state_dict().items()})


@pytest.mark.usefixtures("slow_look")
def test_going_on_in_the_middle_of_an_epoch_is_exact(collection: Path, tmp_path: Path) -> None:
    changes = lives.EVERYTHING | UNEVEN | {"epochs": 3, "device": "cuda", "precision": "bfloat16"}
    whole, broken = (lives.new_run(tmp_path, collection, **changes) for _ in range(2))
    assert isinstance(lives.train(whole), ev.RunFinished)

    def middle(event: ev.Event) -> bool:
        return isinstance(event, ev.BatchProgress) and event.epoch == 2 and event.batch == 3

    assert isinstance(lives.train(broken, lives.stop_when(broken, middle)), ev.RunStopped)
    assert 0 < lives.load(broken.last_path)["place"]["batch"] < 11
    assert isinstance(lives.train(broken), ev.RunFinished)
    lives.assert_same_training(whole, broken)


def test_a_run_moves_between_devices(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection, device="cuda", epochs=1)
    for epochs, device in ((1, "cuda"), (2, "cpu"), (3, "cuda")):
        lives.change_recipe(run, epochs=epochs, device=device)
        assert isinstance(lives.train(run), ev.RunFinished)
    assert [event.device for event in lives.of_kind(run, ev.RunStarted)] == ["cuda:0", "cpu", "cuda:0"]
    finished = lives.of_kind(run, ev.EpochFinished)
    assert [event.epoch for event in finished] == [1, 2, 3]
    assert finished[-1].train_loss < finished[0].train_loss
    last = lives.load(run.last_path)
    assert last["optimiser"]["state"][0]["step"] == last["place"]["step"]  # none was forgotten on the way


def test_the_gpu_is_told_about(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.run.device.INTERVAL", 0.02)
    run = lives.new_run(tmp_path, collection, device="auto")
    assert isinstance(lives.train(run), ev.RunFinished)
    samples = lives.of_kind(run, ev.DeviceSample)
    assert samples and all(sample.gpu_name == torch.cuda.get_device_name(CUDA) for sample in samples)
    last = samples[-1]
    assert 0 < last.gpu_memory_used < last.gpu_memory_total
    assert 0 <= last.gpu_percent <= 100 and last.gpu_power > 0 and 0 < last.gpu_temperature < 120


def test_the_verdicts_are_the_cpus(tmp_path: Path) -> None:
    model = default_model()
    assert model is not None
    path = write(tmp_path / "a.wav", sweep(12, 22_050), 22_050)
    here, there = (Classifier.load(model, device).classify_file(path) for device in ("cpu", "cuda"))
    assert there.genre == here.genre
    assert len(there.segments) == len(here.segments) > 2
    assert there.probabilities == pytest.approx(here.probabilities, abs=2e-3)
