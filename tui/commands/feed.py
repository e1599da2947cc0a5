"""``feed``: standard input to the socket that the Listen screen reads."""

import argparse
import sys
from pathlib import Path

from tui.shell.printing import DONE, UsageError, print_note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_socket_options(parser)


def add_socket_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the socket to send to (the user's own)")
    parser.add_argument(
        "--rate",
        type=int,
        default=None,
        metavar="HZ",
        help="sample rate of bare 16-bit samples (22050); a WAV header states its own",
    )


def run(args: argparse.Namespace) -> int:
    from core.audio.live.unix_socket import default_socket, feed

    if sys.stdin.isatty():
        raise UsageError("feed takes sound from standard input; try: arecord -q -f S16_LE -t wav | genre-tui feed")
    path = args.socket or default_socket()
    sent = feed(sys.stdin.fileno(), path, stated_rate(args), on_message=lambda text: print_note(f"genre-tui: {text}"))
    print_note(f"fed {sent:,} bytes to {path}")
    return DONE


def stated_rate(args: argparse.Namespace) -> int:
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
