"""``runs`` and ``show RUN``: the runs as a table, and one run in plain text, as JSON or as CSV."""

import argparse
import math
import shutil
import sys
import time
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from core.runs.folder import RunFolder, RunReader
from core.runs.journal.history import EpochRow, history_csv
from core.runs.journal.log_lines import duration, percent
from core.runs.journal.state import RunState
from core.runs.notices import report_lost_runs
from core.runs.summary import LIVING, RunList, Summary, baselines
from core.training.evaluation.significance import against_baseline, other_datasets
from core.util.text import counted, printable, printable_lines
from tui.commands.common import add_run_arguments, add_runs_option, run_folder, runs_dir
from tui.commands.parser import did_you_mean
from tui.formatting import padded
from tui.shell.printing import DONE, UsageError, print_data, print_json, print_lines, print_note, write_controls

HEADINGS = ("name", "state", "epochs", "best val", "test", "model", "dataset", "started", "time")

REDRAW_SECONDS = 1.0
ROWS = 12
"""Epochs shown: the last ones, and the best."""
SILENCE_SECONDS = 30.0
"""A trainer that has written nothing for longer is called silent."""
LOG_LINES = 6
BAR_CELLS = 40


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also the runs that were started in other folders")
    parser.add_argument(
        "--filter", metavar="TERMS", default="", help="as in the app: words, !not, /regex/, model=crnn, 'val>0.7'"
    )
    parser.add_argument(
        "--sort", metavar="COLUMN", default="", help="a column of the app, such as test; -test: descending"
    )
    parser.add_argument("-n", type=int, metavar="N", dest="number", help="only the first N")
    parser.add_argument("--json", action="store_true", help="one JSON object per line and run")
    add_runs_option(parser)


def _chosen(runs: list[Summary], args: argparse.Namespace) -> list[Summary]:
    """The runs that pass the filter, sorted, as many as were asked for.

    Raises:
        UsageError: the filter, the column or the number is wrong.
    """
    if args.filter or args.sort:
        from tui.runs.columns import COLUMNS, ordered
        from tui.runs.filter import FilterError, parse_filter

        try:
            passes = parse_filter(args.filter)
            runs = [run for run in runs if passes(run)]
        except FilterError as error:
            raise UsageError(f"--filter: {error}") from error
        key, descending = args.sort.removeprefix("-"), args.sort.startswith("-")
        if key and key not in COLUMNS:
            raise UsageError(f"--sort: there is no column {key!r}{did_you_mean(key, COLUMNS)} ({', '.join(COLUMNS)})")
        runs = ordered(runs, key, descending) if key else runs
    if args.number is not None and args.number < 1:
        raise UsageError(f"-n takes a number of at least 1, not {args.number}")
    return runs[: args.number]


def list_runs(args: argparse.Namespace) -> int:
    folder = runs_dir(args)
    everything = RunList(folder, "all" if args.all else "live").refresh()
    summaries = _chosen(everything, args)
    if args.json:
        for summary in summaries:
            print_json(summary)
    elif summaries:
        bases = baselines(everything)
        print_lines(run_table(summaries, folder, bases))
        for sentence in other_datasets(summaries, bases):
            print_note(sentence)
    else:
        print_note(f"no runs in {folder}{' match' if args.filter else ''}; start one with: genre-tui train FOLDER")
    report_lost_runs(RunFolder(Path(run.path)) for run in everything if run.state == "lost")
    return DONE


def run_table(runs: list[Summary], folder: Path, bases: dict[str, Summary] | None = None) -> str:
    """The runs in columns, with their folders where not all are in ``folder``.

    Args:
        bases: the baseline of each folder, where one is pinned.
    """
    rows = [HEADINGS, *map(_cells, runs)]
    if any(run.tags for run in runs):
        rows = [(*row, tags) for row, tags in zip(rows, ("tags", *(", ".join(r.tags) for r in runs)), strict=True)]
    if bases:
        compared = [against_baseline(run, bases.get(str(Path(run.path).parent))) for run in runs]
        rows = [(*row, *cells) for row, cells in zip(rows, [("vs baseline", "p"), *compared], strict=True)]
    here = folder.resolve()
    places = [Path(run.path).parent for run in runs]
    if any(place not in (folder.absolute(), here) for place in places):
        rows = [(*row, place) for row, place in zip(rows, ("folder", *map(str, places)), strict=True)]
    return table(rows)


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as their cells, which are made safe to print."""
    safe = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*safe, strict=True)]
    lines = ("  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in safe)
    return "\n".join(line.rstrip() for line in lines)


def _cells(run: Summary) -> tuple[str, ...]:
    started = "–" if run.started is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
    return (
        run.name,
        f"queued {run.place}" if run.state == "queued" else run.state,
        f"{run.epochs_done}/{run.epochs}",
        percent(run.best_val_accuracy),
        percent(run.test_accuracy),
        run.model,
        run.dataset,
        started,
        duration(run.seconds),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--once", action="store_true", help="print the run once, even while it is running")
    form.add_argument("--json", action="store_true", help="everything that is known about the run, as one JSON object")
    form.add_argument("--csv", action="store_true", help="the history, one row per epoch")


def run(args: argparse.Namespace) -> int:
    tail = RunReader(run_folder(args))
    tail.poll()
    if args.json:
        print_json(tail.state.as_dict(time.monotonic()))
    elif args.csv:
        print_data(history_csv(tail.state.history), end="")
    elif args.once or not sys.stdout.isatty():
        print_lines(frame(tail.state, time.monotonic()))
    else:
        _live(tail)
    return DONE


def _live(tail: RunReader) -> None:
    """Redraw the frame in place until the run ends."""
    while True:
        size = shutil.get_terminal_size()
        lines = printable_lines(frame(tail.state, time.monotonic())).split("\n")
        living = tail.state.status in LIVING
        if living:
            lines = [set_cell_size(line, min(cell_len(line), size.columns - 1)) for line in lines[: size.lines - 1]]
        # Home, each line cleared to its end, then everything below: clearing first would flicker.
        write_controls("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        if not living:
            return
        time.sleep(REDRAW_SECONDS)
        tail.poll()


def frame(state: RunState, now: float) -> str:
    """Header, progress, epochs, the end of the log, and the test report when there is one."""
    parts = [_header(state, now), _progress(state), _epochs(state), _log(state)]
    if state.test is not None:
        figures = f"test: accuracy {percent(state.test.accuracy)}, loss {state.test.loss:.4f}"
        parts.append("\n".join([figures, *map(printable, state.test.notes)]))
        parts.append(state.test.report_text.rstrip())
    if state.failure is not None:
        parts.append(state.failure.traceback.rstrip() or state.failure.error)
    return "\n\n".join(part for part in parts if part)


def _header(state: RunState, now: float) -> str:
    left = state.eta_seconds(now)
    silence = state.silent_for(now)
    busy_otherwise = state.status == "running" and state.phase not in ("training", "validating")
    where = [state.name, state.model, state.dataset, state.device_name or state.device]
    status = f"{state.status} on {state.host}" if state.elsewhere else state.status
    if state.status == "queued":
        status += f", place {state.place}"
    how = [
        f"{status}, {state.phase}" if busy_otherwise else status,
        f"epoch {state.epoch}/{state.epochs}",
        f"{duration(state.seconds(now))} worked",
        "" if left is None else f"{duration(left)} left",
        f"silent for {duration(silence)}" if silence > SILENCE_SECONDS and not state.paused else "",
        counted(state.damaged, "damaged event") if state.damaged else "",
    ]
    return "\n".join(" · ".join(printable(fact) for fact in facts if fact) for facts in (where, how))


def _progress(state: RunState) -> str:
    if state.end is not None:
        return ""
    if state.phase == "features" and state.features is not None and state.features.total:
        done, total, what = state.features.done, state.features.total, "features"
    elif state.batches:
        done, total, what = state.batch, state.batches, f"{state.phase}, batch"
    else:
        return ""
    filled = round(BAR_CELLS * done / total)
    pace = f", {state.clips_per_second:,.0f} clips/s" if state.clips_per_second else ""
    return f"[{'#' * filled}{'.' * (BAR_CELLS - filled)}] {what} {done:,} of {total:,}{pace}"


def _epochs(state: RunState) -> str:
    if not state.history:
        return ""
    best = state.best.epoch if state.best else None
    rows = state.history[-ROWS:]
    if state.best is not None and rows[0].epoch > state.best.epoch:
        rows = [state.best, *rows[1:]]
    heading = ("", "epoch", "train loss", "train acc", "val loss", "val acc", "lr", "seconds")
    return table([heading, *(_row(row, row.epoch == best) for row in rows)])


def _row(row: EpochRow, best: bool) -> tuple[str, ...]:
    return (
        "*" if best else "",
        str(row.epoch),
        _number(row.train_loss),
        _percent(row.train_accuracy),
        _number(row.val_loss),
        _percent(row.val_accuracy),
        f"{row.learning_rate:.1e}",
        f"{row.seconds:.1f}",
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _percent(value: float) -> str:
    return percent(None if math.isnan(value) else value)


def _log(state: RunState) -> str:
    return "\n".join(
        printable(line.text) for line in state.log[-LOG_LINES:] if state.failure is None or line.level != "error"
    )
