"""A run on one rank: data, network, training, final report."""

from core.runs.folder import RunFolder
from core.runs.journal.events import Event, ModelBuilt, RunFinished, RunStopped
from core.runs.journal.log_lines import percent
from core.training.checkpoint import TrainCheckpoint, read_training
from core.training.distributed import init_process_group
from core.training.errors import Diverged, StopRequested
from core.training.loop.adapt import FittedExperts, choose_windows
from core.training.loop.init import augmentation, init_train_state, sampling_weights
from core.training.loop.loader import BatchLoader
from core.training.loop.train import evaluate_model, train_model
from core.training.loop.train_state import TrainState
from core.training.recipe import Recipe
from core.training.run.callbacks import TrainerCallbacks
from core.training.run.checkpointing import CheckpointManager
from core.training.run.control import ControlHandler
from core.training.run.data import TrainData, prepare_data
from core.training.run.device import DeviceMonitor, WarmUp
from core.training.run.event_logger import Logger, run_started
from core.training.run.final_report import final_report
from core.training.run.phases import PhaseTimer
from core.training.run.pictures import Pictures
from core.training.run.write_guard import WriteGuard
from core.util.device import device_name
from core.util.errors import UserError, first_line
from core.util.text import counted


class Run:
    """A run from its beginning or its last.pth to its end or a stop. All ranks do the same.

    Raises:
        UserError: the device does not exist, or last.pth cannot be read.
    """

    def __init__(
        self,
        run: RunFolder,
        recipe: Recipe,
        logger: Logger,
        control: ControlHandler,
        guard: WriteGuard,
        phases: PhaseTimer,
    ) -> None:
        self.run = run
        self.recipe = recipe
        self.logger = logger
        self.control = control
        self.guard = guard
        self.phases = phases
        self.group, self.device = init_process_group(recipe.device)
        self.saved = read_training(run.last_path) if run.last_path.exists() else None

    def train(self, *, announced: bool) -> Event:
        """Train and write the report; returns the last event without writing it.

        Args:
            announced: whether `RunStarted` was written already.

        Raises:
            UserError: an error that a user can resolve, including `Diverged`.
            EndedAtOnce: a second signal.
        """
        if not announced:
            resumed_from = None if self.saved is None else self.saved.progress.epoch
            self.logger.emit(run_started(self.recipe, str(self.device), device_name(self.device), resumed_from))
        with DeviceMonitor(self.device, self.logger.emit, idle=lambda: self.control.paused):
            warm_up = WarmUp(self.recipe, self.device)
            self.phases.begin("scan")
            try:
                with self.group.leader_first():  # other ranks then find its split and features
                    resuming = self.saved is not None or not self.group.info.is_leader
                    stored = prepare_data(
                        self.run,
                        self.recipe,
                        self.device,
                        self.logger,
                        self.control,
                        self.guard,
                        self.phases,
                        resuming=resuming,
                    )
            except StopRequested:
                return RunStopped(seconds=self.logger.seconds, message="before training began, so no model was saved")
            finally:
                warm_up.wait()  # before the process ends, and before free memory is measured
            data = stored.on(self.device)
            self.phases.begin("adapting")
            fitted = self._choose_windows(data)
            loader = BatchLoader(data.features, self.recipe.input_frames, self.device)
            train_state = self._init_train_state(loader, data, fitted)
            emit, guard, phases = self.logger.emit, self.guard, self.phases
            with (
                CheckpointManager(
                    self.run, train_state, data.features.genres, data.training_set, emit, guard, phases
                ) as checkpoints,
                Pictures(
                    self.run, stored.features, emit, guard, phases, spectrograms=self.recipe.spectrograms
                ) as pictures,
            ):
                stopped = self._train(train_state, loader, data, checkpoints, pictures)
                train_state.leave_group()
                if self.group.info.is_leader:
                    self.control.finishing = True
                    self.phases.begin("report")
                    final_report(
                        self.run, train_state, loader, data, checkpoints, pictures, emit, self.control, guard, phases
                    )
        return self._ending(train_state, stopped)

    def _choose_windows(self, data: TrainData) -> FittedExperts | None:
        """Make the recipe's choice, or that of an earlier life of the run."""
        chosen_frames = 0 if self.saved is None else self.saved.window_frames
        self.recipe, fitted = choose_windows(
            self.recipe, data.features, data.train, self.device, self.group, chosen_frames
        )
        return fitted

    def _init_train_state(self, loader: BatchLoader, data: TrainData, fitted: FittedExperts | None) -> TrainState:
        recipe = self.recipe
        train_state = init_train_state(recipe, loader, data.train, self.group, fitted)
        if self.saved is not None:
            self._restore(train_state, self.saved)
            self.saved = None  # frees 2 GB for the largest network
        progress = train_state.progress
        if train_state.out_of_patience and progress.epochs != self.control.epochs:
            progress.patient_from = progress.epoch  # patience starts again after an extension
        progress.epochs = self.control.epochs
        self.logger.emit(
            ModelBuilt(
                model=recipe.model,
                parameters=sum(weights.numel() for weights in train_state.model.parameters()),
                input_shape=[recipe.batch_size, recipe.front_end.n_mels, loader.width],
                precision="bfloat16" if train_state.precision.bfloat16 else "float32",
            )
        )
        return train_state

    def _restore(self, train_state: TrainState, saved: TrainCheckpoint) -> None:
        try:
            train_state.restore(saved)
        except (KeyError, IndexError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            why = first_line(error)
            raise UserError(f"{self.run.last_path} does not fit this run's recipe and dataset: {why}") from error

    def _train(
        self,
        train_state: TrainState,
        loader: BatchLoader,
        data: TrainData,
        checkpoints: CheckpointManager,
        pictures: Pictures,
    ) -> bool:
        """Train and start the last save; returns whether a stop was requested."""
        self.phases.begin("epochs")
        callbacks = TrainerCallbacks(self.logger.emit, self.control, checkpoints, pictures)
        stopped = False
        try:
            weights = sampling_weights(data.features.clips, data.train, self.recipe.balance)
            train_model(train_state, loader, data.train, data.valid, callbacks, augmentation(self.recipe), weights)
        except StopRequested:
            stopped = True
        except Diverged as error:
            checkpoints.save_best()
            raise Diverged(f"{error}. {_kept(train_state)}; a lower learning rate may help.") from None
        checkpoints.begin_last()
        if train_state.progress.best is None:
            validation = evaluate_model(
                train_state.eval_model,
                loader,
                data.valid,
                crops=self.recipe.test_crops,
                precision=train_state.precision,
                group=self.group,
            )
            checkpoints.save_unfinished(validation)
        return stopped

    def _ending(self, train_state: TrainState, stopped: bool) -> Event:
        progress, seconds = train_state.progress, self.logger.seconds
        phases, background = _rounded(self.phases.seconds), _rounded(self.phases.background)
        if stopped or progress.best is None:
            epochs = f"{progress.epoch:,} of {counted(progress.epochs, 'epoch')}"
            batches = f" and {counted(progress.batch, 'batch')}" if progress.batch else ""
            done = f"{epochs}{batches} done"
            message = f"{done}; the model is kept, and resume continues from here"
            return RunStopped(seconds=seconds, message=message, phases=phases, background=background)
        early = lost = ""
        if progress.epoch < progress.epochs and self.recipe.patience:
            early = f"Validation has not improved for {counted(self.recipe.patience, 'epoch')}."
        if self.guard.lost:
            lost = f"Not written, because the disk was full: {', '.join(dict.fromkeys(self.guard.lost))}."
        return RunFinished(
            seconds=seconds,
            best_epoch=progress.best.epoch,
            best_val_accuracy=progress.best.val_accuracy,
            message=" ".join(part for part in (early, lost) if part),
            phases=phases,
            background=background,
        )


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {phase: round(value, 3) for phase, value in seconds.items()}


def _kept(train_state: TrainState) -> str:
    best = train_state.progress.best
    if best is None:
        return "No epoch was finished, so there are no weights to keep"
    return f"best_model.pth keeps the weights of epoch {best.epoch} ({percent(best.val_accuracy)} in validation)"
