"""A real model, trained in seconds on four families of synthetic sounds, with its calibration and limits."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import torch

from core.audio.conversion import resample
from core.audio.files.decode import decode
from core.dataset.synthetic import make_demo
from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.models.layers.normalisation import fit_standardisation
from core.models.ood import WINDOW_SECONDS, cut, fit_thresholds
from core.models.registry import build_model
from core.training.checkpoint import ModelCheckpoint, TrainingSet, write_model
from core.training.loop.evaluation import Evaluation, calibrate
from core.training.recipe import Recipe

GENRES = ["bass-pulse", "drums-fast", "organ-hymn", "saw-wall"]
FRONT_END = FrontEndSettings(sample_rate=11_025, n_fft=1024, hop_length=512, n_mels=32, seconds=12.0)
CLIPS, SECONDS, EPOCHS = 6, 12.0, 6


@functools.cache
def shared_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="genre-tui-model-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def shared_sounds() -> Path:
    """The folder of genres that `shared_model` was trained on; made once a test run, to be read only."""
    return make_sounds(shared_folder())


@functools.cache
def shared_model(model: str = "small_cnn") -> Path:
    """A model file, made once a test run."""
    return make_model(shared_sounds(), shared_folder() / f"{model}.pth", model=model)


def a_sound(genre: str, number: int = 0) -> Path:
    """One of the shared sounds."""
    return shared_sounds() / genre / f"{genre}.{number:05d}.au"


def make_sounds(folder: Path) -> Path:
    """``folder/genres`` with 6 clips of 12 s for each of the four."""
    genres = make_demo(folder, clips_per_genre=CLIPS, seconds=SECONDS)
    for genre in genres.iterdir():
        if genre.name not in GENRES:
            shutil.rmtree(genre)
    return genres


def make_model(genres: Path, path: Path, *, model: str = "small_cnn") -> Path:
    """Trains on ``genres`` and writes a model file to ``path``."""
    torch.manual_seed(0)
    whole = model == "seed_cnn"
    recipe = Recipe(data=str(genres), model=model, front_end=FRONT_END, crop_seconds=None if whole else WINDOW_SECONDS)
    front_end = FrontEnd(FRONT_END)
    files = sorted(genres.rglob("*.au"))
    labels = torch.tensor([GENRES.index(file.parent.name) for file in files])
    mels = [front_end(_at_front_end_rate(file)[None])[0] for file in files]
    train, valid = [i for i in range(len(files)) if i % 4], [i for i in range(len(files)) if i % 4 == 0]
    frames = FRONT_END.frames if whole else FRONT_END.frames_in(WINDOW_SECONDS)
    windows = torch.cat([cut(mels[i], frames) for i in train])
    targets = torch.cat([labels[i].repeat(len(cut(mels[i], frames))) for i in train])
    network = build_model(model, n_mels=FRONT_END.n_mels, genres=len(GENRES), frames=frames)
    fit_standardisation(network, windows)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    for _ in range(EPOCHS):
        network.train()
        for batch in torch.randperm(len(windows)).split(16):
            loss = torch.nn.functional.cross_entropy(network(windows[batch]), targets[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.eval()
    with torch.inference_mode():
        logits = torch.stack([network(cut(mels[i], frames)).mean(0) for i in valid]).clone()
    validation = Evaluation(logits, labels[valid])
    calibration = calibrate(validation)
    limits = fit_thresholds(
        validation.probabilities(calibration["temperature"]),
        validation.labels,
        [cut(mels[i], FRONT_END.frames_in(WINDOW_SECONDS)) for i in train],
        [cut(mels[i], FRONT_END.frames_in(WINDOW_SECONDS)) for i in valid],
        FRONT_END,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    content = ModelCheckpoint(
        weights=network.state_dict(),
        recipe=recipe,
        genres=GENRES,
        calibration={**calibration, **limits},
        epoch=EPOCHS,
        val_accuracy=validation.accuracy,
        dataset=TrainingSet(name="demo", path=str(genres)),
    )
    write_model(path, content)
    return path


def _at_front_end_rate(file: Path) -> torch.Tensor:
    y, rate = decode(file)
    return torch.from_numpy(resample(y, rate, FRONT_END.sample_rate))
