"""``python -m core.training RUN_FOLDER``: the trainer process, or one of several that torchrun has started."""

import sys
from pathlib import Path

from core.runs.folder import RunFolder
from core.runs.journal.events import RunFinished, RunStopped
from core.runs.launch import CHECK, QUEUE, REFUSED
from core.runs.notices import WebhookNotifier, report_lost_runs_forever
from core.training.run.trainer import check_resumable, has_ended, run_ddp_worker, run_trainer
from core.util.errors import UserError
from core.util.parallel import die_with_parent, dist_info, tune_process, under_torchrun


def main() -> int:
    """Train a run, waiting for the device with ``--queue``, or with ``--check`` only check whether it can resume.

    Exit status: 0 the run finished or stopped, or can resume; 1 it failed or did not start; 2 wrong usage; 3 it cannot
    resume, and the reason is on standard error.
    """
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], [QUEUE], [CHECK]):
        print(f"usage: python -m core.training RUN_FOLDER [{QUEUE} | {CHECK}]", file=sys.stderr)
        return 2
    tune_process()
    folder, info = Path(sys.argv[1]), dist_info()
    if sys.argv[2:] == [CHECK]:
        return check(RunFolder(folder))
    if under_torchrun():
        die_with_parent()
        if info.restarts and has_ended(RunFolder(folder)):
            return 0  # it ended on purpose and must not be restarted
    try:
        if not info.is_leader:
            run_ddp_worker(folder)
            return 0
        report_lost_runs_forever()
        with WebhookNotifier(RunFolder(folder)) as webhook:
            ending = run_trainer(folder, webhook.take, queued=sys.argv[2:] == [QUEUE])
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if isinstance(ending, RunFinished | RunStopped) else 1


def check(run: RunFolder) -> int:
    try:
        check_resumable(run)
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
