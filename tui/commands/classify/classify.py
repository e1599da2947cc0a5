"""``classify PATH...``: classifies files and folders; prints a table, JSON or CSV; writes tags and playlists."""

import argparse
import contextlib
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.util.archive.path import as_path
from core.util.errors import UserError
from core.util.text import counted
from tui.commands.classify.shards import Processes, add_shard_options, share
from tui.commands.common import Progress, add_device_option, add_label_options, add_runs_option, named_labels, runs_dir
from tui.shell.printing import DONE, FAILED, UsageError, print_json, print_line, print_note, print_notes

if TYPE_CHECKING:
    from core.inference.batch.cache import PredictionCache
    from core.inference.batch.export import LabelRules
    from core.inference.batch.find_files import Found
    from core.inference.batch.known_labels import Comparison, KnownLabels
    from core.inference.types import Result
    from tui.commands.classify.outputs import Output, Tagger

OVERLAP_HELP = "overlap of neighbouring 3 s windows, from 0 to 0.99 (0)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="files, folders and archives (searched through), patterns"
    )
    add_model_options(parser)
    parser.add_argument("--overlap", type=float, default=0.0, metavar="SHARE", help=OVERLAP_HELP)
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="one JSON object per line and file on standard output")
    out.add_argument("--csv", type=Path, metavar="FILE", help="write CSV to FILE (- for standard output)")
    out.add_argument("--top", type=int, metavar="K", help="only the K most probable genres (table: 3, else all)")
    out.add_argument(
        "--nearest", type=int, default=0, metavar="K", help="the K training clips that sound most like each file"
    )
    out.add_argument("--playlists", type=Path, metavar="DIR", help="write a playlist per genre, DIR/GENRE.m3u8")
    labels = parser.add_argument_group("names")
    labels.add_argument("--map", type=Path, metavar="FILE", help="TOML file with your names for genres, and thresholds")
    labels.add_argument(
        "--threshold", type=float, metavar="P", help="label with every genre of at least this probability"
    )
    add_label_options(
        parser,
        "known genres",
        "If the genres of a folder are known, accuracy and confusion matrix follow the results. By default, labels are "
        "used if they are found and most of them are genres of the model.",
        map_option="--label-map",
    )
    tags = parser.add_argument_group("tags")
    tags.add_argument("--write-tags", action="store_true", help="show the genre that each file's tags would get")
    tags.add_argument("--yes", action="store_true", help="with --write-tags: write them, with a journal for undoing")
    tags.add_argument("--force", action="store_true", help="with --write-tags: replace existing genres")
    tags.add_argument(
        "--undo-tags",
        nargs="?",
        const="",
        metavar="JOURNAL",
        help="undo the tags written according to a journal (the newest) and exit",
    )
    many = parser.add_argument_group("large libraries")
    many.add_argument("--jobs", type=int, metavar="N", help="files decoded at a time (number of cores)")
    many.add_argument("--skip-existing", action="store_true", help="reuse the predictions of unchanged files")
    many.add_argument("--index", type=Path, metavar="FILE", help="prediction cache (a file in ~/.cache/genre-tui)")
    add_shard_options(many)
    add_runs_option(parser)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="a model file, a run, or default (the one chosen with genre-tui use, else default)",
    )
    add_device_option(parser)


def run(args: argparse.Namespace) -> int:
    if args.undo_tags is not None:
        from tui.commands.classify.outputs import undo_tags

        return undo_tags(Path(args.undo_tags) if args.undo_tags else None)
    _check(args)
    from core.inference.batch.export import Playlists
    from core.inference.types import Prediction
    from core.util.parallel import tune_process
    from tui.commands.classify.outputs import Tally

    tune_process()
    label_rules = _label_rules(args)
    of_known: list[Prediction] = []
    playlists = Playlists(args.playlists) if args.playlists else None
    with contextlib.ExitStack() as stack:
        source = _joined(args) if args.join else _classified(args, stack)
        label_rules.check(source.genres)
        tally = Tally()
        outputs = [stack.enter_context(output) for output in _outputs(args, source.genres, source.found)]
        tagger = stack.enter_context(_tagger(args)) if args.write_tags else None
        bar = stack.enter_context(Progress("files", len(source.found)))
        for path, result in zip(source.found, source.results, strict=True):
            one = tally.add(path, result, label_rules, tagger, playlists)
            one.known_genre = next((genre for one in source.known if (genre := one.genre_of(result.path))), None)
            if one.known_genre is not None and isinstance(result, Prediction):
                of_known.append(msgspec.structs.replace(result, segments=[], stretches=[]))
            if source.cache is not None and one.written and isinstance(path, Path) and isinstance(result, Prediction):
                source.cache.rewritten(path, result)
            with bar.aside():
                for output in outputs:
                    output.put(one)
                for line in one.notes():
                    print_note(line)
            bar.advance()
        if playlists is not None:
            print_note(_written(playlists.save()))
    if source.cache is not None and source.cache.trouble:
        print_note(f"the prediction cache could not be written: {source.cache.trouble}")
    print_note(tally.summary(time.monotonic() - source.began))
    if not args.shard:
        for comparison in [one.compare(of_known, source.genres, source.learnt) for one in source.known]:
            _print_comparison(comparison, args)
    if tagger is not None:
        print_note(tagger.summary())
    return FAILED if tally.failed else DONE


@dataclass(frozen=True)
class _Source:
    """Files and their results, wherever they come from."""

    found: "Sequence[Found]"
    results: "Iterable[Result]"
    genres: list[str]
    known: "list[KnownLabels]"
    """Genres that are known, for each folder."""
    learnt: Collection[str] = ()
    cache: "PredictionCache | None" = None
    began: float = field(default_factory=time.monotonic)
    """When the first file was begun, by `time.monotonic`."""


def _classified(args: argparse.Namespace, stack: contextlib.ExitStack) -> _Source:
    """By this process, or by several."""
    from core.inference.batch.cache import default_cache
    from core.inference.batch.find_files import find_files
    from core.inference.find_model import resolve_model
    from core.util.parallel import cores, without_collecting

    model, reason = resolve_model(args.model, runs_dir(args))
    found = share(list(find_files(args.paths)), args.shard)
    cache = stack.enter_context(_cache(args, model))
    if args.nproc > 1:
        processes = Processes(args, model, found, None if cache is None else args.index or default_cache())
        results = processes.results()
        name, genres, device = processes.ready.model, processes.ready.genres, processes.ready.device
        learnt: Collection[str] = frozenset(processes.ready.learnt)
        began = processes.began
        stack.callback(processes.close)
    else:
        with without_collecting():
            from core.inference.batch.classify_files import classify_files
            from core.inference.classifier import Classifier

            classifier = Classifier.load(model, args.device)
        results = classify_files(
            classifier,
            found,
            jobs=max(1, min(args.jobs or cores(), len(found))),
            overlap=args.overlap,
            nearest=args.nearest,
            cache=cache,
            skip_existing=args.skip_existing,
            on_defect=print_notes,
        )
        name, genres, device, learnt = classifier.model, classifier.genres, classifier.device, classifier.learnt
        stack.enter_context(contextlib.closing(results))
        began = time.monotonic()
    print_note(f"model {name} ({reason}) on {device}")
    return _Source(found, results, genres, list(_known_labels(args, genres)), learnt, cache, began)


def _joined(args: argparse.Namespace) -> _Source:
    """The results of other processes, for example on other machines."""
    from core.inference.batch.known_labels import KnownLabels
    from core.inference.types import Prediction
    from tui.commands.classify.outputs import Joined

    joined = Joined(args.paths)
    found = [as_path(one.path) if isinstance(one, Prediction) else one for one in joined.results]
    known = (
        [KnownLabels(Path(), "labels: from the parts that were joined", joined.known_genres)]
        if joined.known_genres
        else []
    )
    return _Source(found, joined.results, joined.genres, known)


def _print_comparison(comparison: "Comparison", args: argparse.Namespace) -> None:
    """The accuracy of a folder whose genres are known, after the results."""
    if args.json:
        print_json(comparison)
        return
    for line in comparison.lines():
        (print_note if args.csv == Path("-") else print_line)(line)


def _check(args: argparse.Namespace) -> None:
    if not args.paths:
        wanted = "the --json results of all shards" if args.join else "files, folders or patterns"
        raise UsageError(f"nothing to {'join' if args.join else 'classify'}; give {wanted}")
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {args.jobs}")
    if args.nproc < 1:
        raise UsageError(f"--nproc must be at least 1, not {args.nproc}")
    if args.join and (idle := [option for option, given in _classifying(args).items() if given]):
        raise UsageError(f"--join classifies nothing, so {' and '.join(idle)} would have no effect: leave it out")
    if args.top is not None and args.top < 1:
        raise UsageError(f"--top must be at least 1, not {args.top}")
    if args.nearest < 0:
        raise UsageError(f"--nearest must be at least 0, not {args.nearest}")
    if not 0 <= args.overlap <= 0.99:
        raise UsageError(f"--overlap must be from 0 to 0.99, not {args.overlap:g}")
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise UsageError(f"--threshold must be from 0 to 1, not {args.threshold:g}")
    if (args.yes or args.force) and not args.write_tags:
        raise UsageError("--yes and --force need --write-tags")
    if args.json and args.csv == Path("-"):
        raise UsageError("--json and --csv - both write to standard output; give --csv a file")


def _classifying(args: argparse.Namespace) -> dict[str, bool]:
    """The options that affect only how files are classified, and whether each was given."""
    return {
        "--model": args.model is not None,
        "--overlap": args.overlap > 0,
        "--nearest": args.nearest > 0,
        "--jobs": args.jobs is not None,
        "--skip-existing": args.skip_existing,
        "--index": args.index is not None,
        "--nproc": args.nproc > 1,
        "--shard": args.shard is not None,
    }


def _known_labels(args: argparse.Namespace, genres: list[str]) -> "Iterator[KnownLabels]":
    """Of each folder; where genres are being written into tags, only if options name the labels.

    Raises:
        UserError: options name labels that no folder has.
    """
    from core.inference.batch.known_labels import known_labels

    settings = named_labels(args)
    folders = [path for path in map(as_path, args.paths) if path.is_dir()]
    if settings is not None and not folders:
        raise UsageError("the options for known genres apply to a folder: classify a single folder")
    for folder in [] if args.write_tags and settings is None else folders:
        if (known := known_labels(folder, genres, settings)) is not None:
            yield known


def _label_rules(args: argparse.Namespace) -> "LabelRules":
    from core.inference.batch.export import LabelRules, read_label_rules

    label_rules = read_label_rules(args.map) if args.map else LabelRules()
    return label_rules if args.threshold is None else msgspec.structs.replace(label_rules, threshold=args.threshold)


@contextlib.contextmanager
def _cache(args: argparse.Namespace, model: Path) -> Iterator["PredictionCache | None"]:
    """The prediction cache; None where the default one cannot be opened and no option asks for it."""
    from core.inference.batch.cache import PredictionCache, default_cache, model_key

    try:
        cache = PredictionCache(args.index or default_cache(), model_key(model, args.overlap))
    except UserError:
        if args.index or args.skip_existing:
            raise
        yield None
        return
    try:
        yield cache
    finally:
        cache.close()


def _outputs(args: argparse.Namespace, genres: list[str], found: Sequence[object]) -> "list[Output]":
    from tui.commands.classify.outputs import CsvOutput, JsonOutput, TableOutput

    outputs: list[Output] = []
    if args.json:
        outputs.append(JsonOutput(args.top))
    if args.csv:
        outputs.append(CsvOutput(args.csv, genres, args.top))
    if not args.json and args.csv != Path("-"):
        outputs.append(TableOutput(genres, found, args.top or 3))
    return outputs


def _tagger(args: argparse.Namespace) -> "Tagger":
    from tui.commands.classify.outputs import Tagger

    return Tagger(write=args.yes, force=args.force)


def _written(playlists: list[Path]) -> str:
    if not playlists:
        return "no playlists: no file got a label"
    return (
        f"{counted(len(playlists), 'playlist')} in {playlists[0].parent}: {', '.join(path.name for path in playlists)}"
    )
