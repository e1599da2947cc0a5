"""``python -m core.training RUN_FOLDER``: the trainer process, or one of several that torchrun has started."""

import sys
from pathlib import Path

from core.runs.folder import RunFolder
from core.runs.journal.events import RunFinished, RunStopped
from core.runs.webhook import run_ended
from core.training.distributed.ranks import by_torchrun, ranks
from core.training.run.trainer import has_ended, run_trainer
from core.util.errors import UserError
from core.util.process import die_with_parent, tune_process


def main() -> int:
    """Exit status 0 for a run that finished or stopped, 1 for one that failed or did not begin, 2 for wrong usage."""
    if len(sys.argv) != 2:
        print("usage: python -m core.training RUN_FOLDER", file=sys.stderr)
        return 2
    tune_process()
    folder, place = Path(sys.argv[1]), ranks()
    if by_torchrun():
        die_with_parent()
        if place.restarts and has_ended(RunFolder(folder)):
            return 0  # it was no accident, and is not to be repeated
    try:
        if not place.leads:
            from core.training.run.worker import run_peer

            run_peer(folder)
            return 0
        ending = run_trainer(folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    run_ended(RunFolder(folder))
    return 0 if isinstance(ending, RunFinished | RunStopped) else 1


if __name__ == "__main__":
    sys.exit(main())
