"""The course of a run: dataset, network, training, conclusion."""

from typing import Any

from core.runs.folder import RunFolder
from core.runs.journal.events import Event, ModelBuilt, RunFinished, RunStopped
from core.runs.journal.log_lines import percent
from core.training.checkpoint import load_last, remove_unfinished
from core.training.distributed.group import join
from core.training.errors import Diverged, StopRequested
from core.training.loop.init import augmentation, begin, sampling_weights
from core.training.loop.loader import BatchLoader
from core.training.loop.train import evaluate_model, train_model
from core.training.loop.train_state import TrainState, progress_from
from core.training.recipe import Recipe
from core.training.run.callbacks import TrainerCallbacks
from core.training.run.checkpointing import CheckpointManager
from core.training.run.control import ControlHandler
from core.training.run.cuda_warmup import WarmUp
from core.training.run.data import TrainData, prepare
from core.training.run.device_monitor import DeviceMonitor
from core.training.run.event_logger import EventLogger, run_started
from core.util.device import device_name
from core.util.errors import UserError


class Run:
    """One life of a run, from the beginning or from its last.pth.

    Raises:
        UserError: the device is not there, or last.pth cannot be read.
    """

    def __init__(self, run: RunFolder, recipe: Recipe, logger: EventLogger, requests: ControlHandler) -> None:
        self.run = run
        self.recipe = recipe
        self.logger = logger
        self.requests = requests
        self.team, self.device = join(recipe.device)
        remove_unfinished(run)
        self.saved = load_last(run.last_path) if run.last_path.exists() else None

    def follow(self, *, announced: bool) -> Event:
        """Goes through with it, and returns the last event without writing it.

        Args:
            announced: whether `RunStarted` is out already.

        Raises:
            UserError: something that people can mend; `Diverged` among them.
            EndedAtOnce: a second signal.
        """
        if not announced:
            resumed_from = None if self.saved is None else progress_from(self.saved["place"]).epoch
            self.logger.emit(run_started(self.recipe, str(self.device), device_name(self.device), resumed_from))
        with DeviceMonitor(self.device, self.logger.emit, idle=lambda: self.requests.paused):
            warm_up = WarmUp(self.recipe, self.device)
            try:
                material = prepare(
                    self.run, self.recipe, self.device, self.logger, self.requests, resuming=self.saved is not None
                )
            except StopRequested:
                return RunStopped(seconds=self.logger.seconds, message="before training began: there is no model")
            finally:
                warm_up.wait()  # also before the process ends, and before anybody asks how much memory is free
            material = material.on(self.device)
            self.team.wait()  # the others find split and features ready now
            reader = BatchLoader(material.features, self.recipe.input_frames, self.device)
            train_state = self._init_state(reader, material)
            stopped = self._train(train_state, reader, material)
            self.team.leave()
            self.requests.concluding = True
            from core.training.run.final_report import (
                conclude,  # matplotlib and scikit-learn, which training does without
            )

            conclude(self.run, train_state, reader, material, self.logger.emit, self.requests)
        return self._ending(train_state, stopped)

    def _init_state(self, reader: BatchLoader, material: TrainData) -> TrainState:
        recipe = self.recipe
        train_state = begin(recipe, reader, material.train, self.team)
        if self.saved is not None:
            self._go_on(train_state, self.saved)
            self.saved = None  # two gigabytes, for the largest network
        place = train_state.place
        if train_state.out_of_patience and place.epochs != self.requests.epochs:
            place.patient_from = place.epoch  # whoever extends it now knows how long nothing has improved
        place.epochs = self.requests.epochs
        self.logger.emit(
            ModelBuilt(
                model=recipe.model,
                parameters=sum(weights.numel() for weights in train_state.model.parameters()),
                input_shape=[recipe.batch_size, recipe.front_end.n_mels, reader.width],
                precision="bfloat16" if train_state.precision.bfloat16 else "float32",
            )
        )
        return train_state

    def _go_on(self, train_state: TrainState, saved: dict[str, Any]) -> None:
        try:
            train_state.load_state_dict(saved)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{self.run.last_path} does not fit this run's recipe and dataset: {error}") from error

    def _train(self, train_state: TrainState, reader: BatchLoader, material: TrainData) -> bool:
        """Trains and saves; whether somebody asked for a stop."""
        checkpoints = CheckpointManager(
            self.run, train_state, material.features.genres, material.provenance, self.logger.emit
        )
        follower = TrainerCallbacks(self.logger.emit, self.requests, checkpoints)
        stopped = False
        try:
            weights = sampling_weights(material.features.clips, material.train, self.recipe.balance)
            augment = augmentation(self.recipe)
            train_model(train_state, reader, material.train, material.valid, follower, augment, weights)
        except StopRequested:
            stopped = True
        except Diverged as error:
            checkpoints.save_best()
            raise Diverged(f"{error}. {_kept(train_state)}; a lower learning rate may help.") from None
        checkpoints.save()
        if train_state.place.best is None:
            validation = evaluate_model(
                train_state.judged,
                reader,
                material.valid,
                crops=self.recipe.test_crops,
                precision=train_state.precision,
                team=self.team,
            )
            checkpoints.save_unfinished(validation)
        return stopped

    def _ending(self, train_state: TrainState, stopped: bool) -> Event:
        place, seconds = train_state.place, self.logger.seconds
        if stopped or place.best is None:
            done = f"{place.epoch} of {place.epochs} epochs and {place.batch} batches are done"
            return RunStopped(seconds=seconds, message=f"the model is kept, resume goes on from here: {done}")
        early = place.epoch < place.epochs
        return RunFinished(
            seconds=seconds,
            best_epoch=place.best.epoch,
            best_val_accuracy=place.best.val_accuracy,
            message=f"Validation has not improved for {self.recipe.patience} epochs." if early else "",
        )


def _kept(train_state: TrainState) -> str:
    best = train_state.place.best
    if best is None:
        return "No epoch was finished, so there are no weights to keep"
    return f"best_model.pth keeps the weights of epoch {best.epoch} ({percent(best.val_accuracy)} in validation)"
