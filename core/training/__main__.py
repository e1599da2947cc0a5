"""``python -m core.training RUN_FOLDER``: the trainer process."""

import sys
from pathlib import Path

from core.errors import UserError
from core.runs.events import RunFinished, RunStopped
from core.runs.folder import RunFolder
from core.runs.notify import run_ended
from core.training.process import tune_process
from core.training.trainer import run_trainer


def main() -> int:
    """Exit status 0 for a run that finished or stopped, 1 for one that failed or did not begin, 2 for wrong usage."""
    if len(sys.argv) != 2:
        print("usage: python -m core.training RUN_FOLDER", file=sys.stderr)
        return 2
    tune_process()
    folder = Path(sys.argv[1])
    try:
        ending = run_trainer(folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    run_ended(RunFolder(folder))
    return 0 if isinstance(ending, RunFinished | RunStopped) else 1


if __name__ == "__main__":
    sys.exit(main())
