"""``listen``: the genre of live sound, from a device, standard input or a socket, as lines; ``feed``: standard input to
the socket that the Listen screen reads."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.util.errors import UserError
from core.util.parallel import tune_process
from tui.commands.classify.classify import add_model_options
from tui.commands.common import add_runs_option, runs_dir
from tui.formatting import clock
from tui.listen.audio_forwarding import routes
from tui.shell.printing import DONE, UsageError, print_json, print_line, print_note, print_notes

if TYPE_CHECKING:
    from core.audio.live.source import Source
    from core.inference.live_events import LivePrediction, SourceChanged

SIGN_OF_LIFE_SECONDS = 5.0
"""Without --json, seconds after which an unchanged prediction is repeated."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--input", metavar="DEVICE", help="an input device by its number or name (the default one)")
    source.add_argument(
        "--stdin", action="store_true", help="audio of any kind, or bare 16-bit mono samples, from standard input"
    )
    source.add_argument(
        "--socket", type=Path, metavar="PATH", help="receive the sound that genre-tui feed --socket PATH sends"
    )
    source.add_argument("--list-devices", action="store_true", help="print the input devices and exit")
    parser.add_argument(
        "--rate", type=int, metavar="HZ", help="sample rate of bare samples (22050); all other sound states its own"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per window and line")
    parser.add_argument(
        "--overlap",
        type=float,
        metavar="SHARE",
        help="overlap of neighbouring windows, from 0 to 0.99 (a prediction every 0.4 s)",
    )
    add_model_options(parser)
    # Up to 0.1 these two were --device N and --compute.
    parser.add_argument("--compute", help=argparse.SUPPRESS)
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    if args.device.isdecimal():
        if args.input is not None or args.stdin or args.socket:
            raise UsageError(
                "--device with a number is an input, as --input, --stdin and --socket are; give one of them"
            )
        args.input, args.device = args.device, "auto"
    args.device = args.compute or args.device
    if args.list_devices:
        return _list_devices()
    if args.overlap is not None and not 0 <= args.overlap <= 0.99:
        raise UsageError(f"--overlap must be from 0 to 0.99, not {args.overlap:g}")
    if args.rate is not None and not args.stdin:
        raise UsageError("--rate is for --stdin; a sender states its rate, and a device has its own")
    tune_process()
    source = _open(args)
    try:
        return _listen(args, source)
    finally:
        source.close()


def _listen(args: argparse.Namespace, source: "Source") -> int:
    from core.inference.find_model import resolve_model

    model, reason = resolve_model(args.model, runs_dir(args))

    from core.inference.classifier import Classifier
    from core.inference.live_classifier import LiveClassifier, overlap_for
    from core.inference.live_events import LivePrediction, SourceChanged

    classifier = Classifier.load(model, args.device)
    print_note(
        f"model {classifier.model} ({reason}) on {classifier.device}; windows of {classifier.window_seconds:g} s"
    )
    overlap = overlap_for(classifier.window_seconds) if args.overlap is None else args.overlap
    listening = LiveClassifier(source, classifier, overlap=overlap, keep_up=not args.stdin)
    lines = _Lines()
    for event in listening.events():
        if isinstance(event, SourceChanged):
            lines.source(event)
        elif isinstance(event, LivePrediction) and args.json:
            print_json(event)
        elif isinstance(event, LivePrediction):
            lines.prediction(event)
    return DONE


def _open(args: argparse.Namespace) -> "Source":
    if args.stdin:
        from core.audio.live.pipe_source import PipeSource

        if sys.stdin.isatty():
            raise UsageError("--stdin takes sound; try: arecord -q -f S16_LE -t wav | genre-tui listen --stdin")
        return PipeSource(sys.stdin.fileno(), _stated_rate(args))
    if args.socket:
        from core.audio.live.socket_source import SocketSource

        return SocketSource(args.socket)
    from core.audio.live.microphone import MicrophoneSource

    try:
        wanted = args.input
        return MicrophoneSource(int(wanted) if wanted is not None and wanted.isdecimal() else wanted)
    except UserError:
        for route in routes():
            print_notes(f"{route.purpose} ({route.where}):\n   {route.command}")
        raise


def _list_devices() -> int:
    from core.audio.live.microphone import input_devices

    for device in input_devices():
        mark = "*" if device.is_default else " "
        print_line(f"{mark} {device.number:>3}  {device.name}  {device.rate:,} Hz, {device.channels} channels")
    return DONE


class _Lines:
    """Prints a line when the prediction changes, and at long intervals."""

    def __init__(self) -> None:
        self._genre: str | None = ""
        self._line_at = 0.0
        self._source = ""

    def prediction(self, prediction: "LivePrediction") -> None:
        if prediction.smoothed_genre == self._genre and prediction.end_s - self._line_at < SIGN_OF_LIFE_SECONDS:
            return
        self._genre, self._line_at = prediction.smoothed_genre, prediction.end_s
        ranked = sorted(prediction.smoothed.items(), key=lambda item: -item[1])[:3]
        others = ", ".join(f"{genre} {p:.0%}" for genre, p in ranked)
        named = prediction.smoothed_genre or f"uncertain ({prediction.reason or 'no clear genre'})"
        print_line(f"{clock(prediction.end_s)}  {named}  {others}")

    def source(self, changed: "SourceChanged") -> None:
        lost = f"; sound lost {changed.overruns} times" if changed.overruns else ""
        line = f"{changed.state}: {changed.text}{lost}" if changed.text else ""
        # A stall counts its seconds; one line about it is enough.
        kind = line.split(" for ")[0]
        if line and kind != self._source:
            print_note(line)
        self._source = kind


def add_feed_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the socket to send to (the user's own)")
    parser.add_argument(
        "--rate",
        type=int,
        default=None,
        metavar="HZ",
        help="sample rate of bare 16-bit samples (22050); a WAV header states its own",
    )


def feed(args: argparse.Namespace) -> int:
    from core.audio.live import unix_socket

    if sys.stdin.isatty():
        raise UsageError("feed takes sound from standard input; try: arecord -q -f S16_LE -t wav | genre-tui feed")
    path = args.socket or unix_socket.default_socket()
    sent = unix_socket.feed(
        sys.stdin.fileno(), path, _stated_rate(args), on_message=lambda text: print_note(f"genre-tui: {text}")
    )
    print_note(f"fed {sent:,} bytes to {path}")
    return DONE


def _stated_rate(args: argparse.Namespace) -> int:
    """The rate of bare samples, from ``--rate``, in Hz.

    Raises:
        UsageError: it is out of range.
    """
    from core.audio.conversion import HIGHEST_RATE, LOWEST_RATE
    from core.audio.live.unix_socket import DEFAULT_RATE

    rate: int = DEFAULT_RATE if args.rate is None else args.rate
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UsageError(f"--rate must be from {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz, not {rate:,}")
    return rate
