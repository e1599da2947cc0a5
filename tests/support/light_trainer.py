"""``python -m tests.support.light_trainer RUN [--queue]``: the trainer process, lock, journal, queue and requests, with
a stand-in for the training itself that takes ``SECONDS`` (environment) and imports no torch.
"""

import os
import sys
import time
from types import ModuleType

from core.runs.folder import RunFolder
from core.runs.journal.events import Event, RunFinished, RunStopped
from core.training import __main__ as trainer
from core.training.errors import StopRequested
from core.training.recipe import Recipe
from core.training.run.control import ControlHandler
from core.training.run.event_logger import Logger, run_started
from core.training.run.trainer import has_ended
from core.util.parallel import dist_info


class LightRun:
    def __init__(
        self, run: RunFolder, recipe: Recipe, logger: Logger, control: ControlHandler, guard: object, phases: object
    ) -> None:
        self.run, self.recipe, self.logger, self.control = run, recipe, logger, control

    def train(self, *, announced: bool) -> Event:
        if not announced:
            self.logger.emit(run_started(self.recipe, self.recipe.device, "a light one"))
        until = time.monotonic() + float(os.environ.get("SECONDS", "0"))
        try:
            while time.monotonic() < until or self.control.paused:
                if not dist_info().is_leader and has_ended(self.run):
                    break
                self.control.look_next_time()
                self.control.check()
                time.sleep(0.01)
        except StopRequested:
            return RunStopped(seconds=self.logger.seconds, message="on request")
        return RunFinished(seconds=self.logger.seconds, best_epoch=1, best_val_accuracy=0.5)


if __name__ == "__main__":
    module = ModuleType("core.training.run.run")
    module.Run = LightRun  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    sys.exit(trainer.main())
