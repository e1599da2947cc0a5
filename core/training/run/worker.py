"""A process that trains beside the leader: same data, same steps, no word of its own."""

import signal
from pathlib import Path

from torch import Tensor

from core.runs.folder import RunFolder
from core.training.checkpoint import load_last
from core.training.distributed.group import join
from core.training.errors import Diverged, StopRequested
from core.training.loop.evaluation import Evaluation
from core.training.loop.init import augmentation, begin, sampling_weights
from core.training.loop.loader import BatchLoader
from core.training.loop.train import evaluate_model, train_model
from core.training.loop.train_state import EpochMetrics, TrainState
from core.training.recipe import from_dict
from core.training.run.control import ControlHandler
from core.training.run.data import prepare
from core.training.run.event_logger import EventLogger, EventT
from core.training.run.trainer import has_ended


def run_peer(folder: Path) -> None:
    """Trains with the leader until it has enough.

    Raises:
        RuntimeError: the leader, or another process, is gone before its time.
    """
    # torchrun passes signals on to all; the leader answers for everybody.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    run = RunFolder(folder)
    try:
        _train(run)
    except Exception:
        if not has_ended(run):
            raise  # torchrun starts all of them again


def _train(run: RunFolder) -> None:
    team, device = join(str(run.read_recipe()["device"]))
    team.wait()  # for the leader's split and features
    recipe = from_dict(run.read_recipe())
    silence = _Silence()
    material = prepare(run, recipe, device, silence, _Deaf(run, silence), resuming=True).on(device)
    reader = BatchLoader(material.features, recipe.input_frames, device)
    train_state = begin(recipe, reader, material.train, team)
    if run.last_path.exists():
        train_state.load_state_dict(load_last(run.last_path))
    weights = sampling_weights(material.features.clips, material.train, recipe.balance)
    try:
        train_model(train_state, reader, material.train, material.valid, _Peer(), augmentation(recipe), weights)
    except Diverged:
        return  # as everywhere
    except StopRequested:
        if train_state.place.best is None:  # in the first epoch: the leader wants to know what there is
            crops, precision = recipe.test_crops, train_state.precision
            evaluate_model(train_state.judged, reader, material.valid, crops=crops, precision=precision, team=team)


class _Silence(EventLogger):
    """The leader keeps the journal."""

    def __init__(self) -> None:
        pass

    def emit(self, event: EventT) -> EventT:
        return event


class _Deaf(ControlHandler):
    """The leader is asked."""

    def check(self, before_waiting: object = None) -> None:
        pass


class _Peer:
    """A `Callbacks` that does what the leader's `TrainerCallbacks` has decided."""

    def epoch_started(self, train_state: TrainState) -> None:
        self._hear(train_state)

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None:
        self._hear(train_state)

    def epoch_trained(self, train_state: TrainState) -> None: ...

    def batch_validated(self, train_state: TrainState, batch: int, batches: int) -> None:
        self._hear(train_state)

    def epoch_finished(self, train_state: TrainState, score: EpochMetrics, validation: Evaluation) -> None: ...

    def _hear(self, train_state: TrainState) -> None:
        stop, train_state.place.epochs = train_state.team.told(0, 0)
        if stop:
            raise StopRequested
