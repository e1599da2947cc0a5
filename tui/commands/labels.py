"""``data suspects``, ``data labels`` and ``similar``: doubtful labels, decisions about them, and what sounds alike."""

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.util.text import counted
from tui.commands.common import (
    DATA_HELP,
    Progress,
    add_device_option,
    add_label_options,
    add_runs_option,
    label_settings,
    runs_dir,
    writing,
)
from tui.shell.printing import DONE, UsageError, print_data, print_json, print_line, print_note

if TYPE_CHECKING:
    from core.labelling.embedding import EmbeddedSet

TOP_SUSPECTS, TOP_SIMILAR = 50, 10
SUSPECT_FIELDS = ("name", "path", "label", "suggested", "doubt", "probabilities")


def add_suspects_arguments(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument(
        "--decisions",
        type=Path,
        metavar="CSV",
        help="decisions that replace the dataset's own labels; --labels takes such a file for one, too",
    )
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument(
        "--model", metavar="MODEL", help="a run or model file: a second opinion on clips it was not trained on"
    )
    asked.add_argument(
        "--encoder", metavar="NAME|PATH", help="a second opinion by the embeddings of a pretrained encoder"
    )
    parser.add_argument("--top", type=_count, metavar="N", help=f"number of files ({TOP_SUSPECTS}; 0 for all)")
    out = parser.add_mutually_exclusive_group()
    out.add_argument("--json", action="store_true", help="one JSON object per line")
    out.add_argument("--csv", action="store_true", help="CSV")
    add_device_option(parser)
    add_runs_option(parser)


def suspects(args: argparse.Namespace) -> int:
    from core.dataset.labels.decisions import is_overlay
    from core.inference.find_model import find_model
    from core.labelling.doubt import find_suspects
    from core.labelling.embedding import encode
    from core.models.encoders.load import encoder_settings
    from core.util.device import choose_device

    top = TOP_SUSPECTS if args.top is None else args.top
    model = find_model(args.model, runs_dir(args)) if args.model else None
    decisions = args.decisions
    if decisions is None and args.labels is not None and is_overlay(Path(args.labels)):
        decisions, args.labels = Path(args.labels), None
    encoder = encoder_settings(args.encoder) if args.encoder else None
    found, encoded_NWD = _embedded(args), None
    if encoder is not None:
        device = choose_device(args.device)
        encoded_NWD = encode(found, encoder, device=device, on_features=Progress("embeddings"), on_note=print_note)
    listed = find_suspects(
        found,
        groups=args.groups,
        labels=decisions,
        model=model,
        encoded_NWD=encoded_NWD,
        device=args.device,
        on_note=print_note,
    )
    shown = listed[: top or None]
    if args.json:
        for suspect in shown:
            print_json({field: getattr(suspect, field) for field in SUSPECT_FIELDS})
    elif args.csv:
        genres = list(shown[0].probabilities) if shown else []
        rows: list[list[Any]] = [["name", "path", "label", "suggested", "doubt", *genres]]
        rows += [
            [s.name, s.path or "", s.label, s.suggested, s.doubt, *(s.probabilities[genre] for genre in genres)]
            for s in shown
        ]
        print_data(_csv(rows), end="")
    else:
        _table(
            [("doubt", "label", "suggested", "file")]
            + [(f"{s.doubt:.3f}", s.label, s.suggested, s.path or s.name) for s in shown]
        )
        differ = sum(suspect.suggested != suspect.label for suspect in listed)
        print_note(
            f"another label is suggested for {differ:,} of {counted(len(listed), 'clip')}; shown: {len(shown):,}"
        )
    return DONE


def add_similar_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an audio file, or the name of a clip in DATA")
    _add_data(parser)
    parser.add_argument("--top", type=_count, default=TOP_SIMILAR, metavar="K", help=f"number of files ({TOP_SIMILAR})")
    parser.add_argument("--encoder", metavar="NAME|PATH", help="compare by the embeddings of a pretrained encoder")
    parser.add_argument("--playlist", type=Path, metavar="OUT.m3u8", help="write the files as a playlist too")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_device_option(parser)


def similar(args: argparse.Namespace) -> int:
    from core.inference.batch.export import write_playlist
    from core.labelling.similar import find_similar
    from core.models.encoders.load import encoder_settings
    from core.util.device import choose_device

    encoder = encoder_settings(args.encoder) if args.encoder else None
    listed = find_similar(
        args.file,
        _embedded(args),
        groups=args.groups,
        top=args.top,
        encoder=encoder,
        device=choose_device(args.device),
        on_features=Progress("embeddings"),
    )
    if args.json:
        for one in listed:
            print_json(one)
    else:
        _table(
            [("similarity", "label", "artist", "file")]
            + [(f"{one.similarity:.3f}", one.label, one.artist or "", one.path or one.name) for one in listed]
        )
    if args.playlist:
        if any(one.path is None for one in listed):
            raise UsageError("a feature pack has no audio files for a playlist: name the folder of audio")
        with writing(args.playlist):
            skipped = write_playlist(args.playlist, [(Path(one.path), one.duration_s) for one in listed if one.path])
        for reason in skipped:
            print_note(reason)
    return DONE


def add_labels_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("act", choices=("apply", "diff", "revert"), help="write a new table; show; take back")
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument("decisions", type=Path, nargs="+", metavar="LABELS", help="labels.csv; several are merged")
    parser.add_argument("--out", type=Path, metavar="CSV", help="the table that apply writes (labelled.csv)")
    parser.add_argument("--json", action="store_true", help="diff: one JSON object per line")
    add_label_options(parser)


def labels(args: argparse.Namespace) -> int:
    from core.dataset.labels import decisions as made
    from core.dataset.scan import survey
    from core.labelling.overlay import merged, revert

    decisions = merged(*(made.read_overlay(path) for path in args.decisions))
    if args.act == "revert":
        for path in args.decisions:
            print_note(f"{path}: {counted(revert(path), 'label')} reverted")
        return DONE
    found = survey(args.data, labels=label_settings(args), on_progress=Progress("files scanned"))
    for note in [found.label_source, *found.notes]:
        print_note(note)
    clips, current = found.clips, made.current(decisions)
    decided = made.labels_with(clips, found.root, current)
    changed = [(clip, label) for clip, label in zip(clips, decided, strict=True) if label != clip.genre]
    known = {clip.content for clip in clips}
    if strangers := [decision for decision in current.values() if decision.content not in known]:
        print_note(
            f"{counted(len(strangers), 'decision')} about files that are not in {args.data}: {strangers[0].path}, ..."
        )
    if args.act == "diff":
        for clip, label in changed:
            if args.json:
                print_json({"name": clip.name, "path": str(clip.path), "label": label, "previous": clip.genre})
            else:
                print_line(f"{clip.genre} → {label or 'excluded'}  {clip.genre}/{clip.name}")
        print_note(f"{len(changed):,} of {counted(len(clips), 'label')} changed")
        return DONE
    out = args.out or Path("labelled.csv")
    rows: list[list[Any]] = [["path", "genre"]]
    rows += [[made.path_in(found.root, clip), label] for clip, label in zip(clips, decided, strict=True) if label]
    from core.util.atomic import write_output

    with writing(out):
        write_output(out, _csv(rows).encode())
    print_data(out)
    print_note(f"{counted(len(rows) - 1, 'clip')}, {counted(len(changed), 'label')} changed")
    return DONE


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_label_options(parser)
    parser.add_argument(
        "--groups", metavar="COLUMN", help="metadata column whose values belong together (artist, where there is one)"
    )
    parser.add_argument("--index", type=Path, metavar="CSV", help="metadata, where the dataset has none of its own")


def _embedded(args: argparse.Namespace) -> "EmbeddedSet":
    from core.labelling.embedding import embed_dataset
    from core.util.device import choose_device

    found = embed_dataset(
        args.data,
        labels=label_settings(args),
        index=args.index,
        device=choose_device(args.device),
        on_scanning=Progress("files scanned"),
        on_features=Progress("spectrograms"),
        on_embedded=Progress("embeddings"),
        on_note=print_note,
    )
    for file in found.excluded:
        print_note(f"left out {file.path}: {file.reason}")
    return found


def _count(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def _csv(rows: list[list[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        print_line("  ".join([*cells, row[-1]]))
