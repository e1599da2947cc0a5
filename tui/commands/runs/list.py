"""``runs``: what runs there are."""

import argparse
import time

import msgspec
from rich.cells import cell_len

from core.runs.journal.log_lines import duration, percent
from core.runs.summary import RunList, Summary
from tui.commands.common import add_runs_option, narrate, runs_dir
from tui.commands.exit_codes import DONE
from tui.text.cells import padded

HEADINGS = ("name", "state", "epochs", "best val", "test", "model", "dataset", "started", "time")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one object a line")
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    folder = runs_dir(args)
    summaries = RunList(folder).refresh()
    if args.json:
        for summary in summaries:
            print(msgspec.json.encode(summary).decode())
    elif summaries:
        print(table([HEADINGS, *(_row(summary) for summary in summaries)]))
    else:
        narrate(f"no runs in {folder}; start one with: genre-tui train FOLDER")
    return DONE


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as they need to be."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _row(run: Summary) -> tuple[str, ...]:
    started = "–" if run.started is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
    return (
        run.name,
        run.state,
        f"{run.epochs_done}/{run.epochs}",
        percent(run.best_val_accuracy),
        percent(run.test_accuracy),
        run.model,
        run.dataset,
        started,
        duration(run.seconds),
    )
