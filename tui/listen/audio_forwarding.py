"""Sending sound to a machine without a microphone: three routes, each with the commands to type."""

import getpass
import os
import shlex
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from core.audio.live.unix_socket import DEFAULT_RATE, default_socket

RECORD = f"arecord -q -f S16_LE -c 1 -r {DEFAULT_RATE} -t wav"
"""Runs on the machine with the microphone; the WAV header states the rate."""
PULSE_PORT = 4713
"""PulseAudio's own. A forwarded Unix socket would not do: its clients take it for local and send memory over it."""
ORDINARY_PATH = {"/usr/local/bin", "/usr/bin", "/bin"}


class Route(NamedTuple):
    """One command of a route."""

    purpose: str
    where: str
    """The machine on which to type it."""
    command: str


THERE, HERE = "on the machine with the microphone", "on this machine"


def routes(environment: Mapping[str, str] = os.environ, feed_socket: Path | None = None) -> list[Route]:
    """The routes from the user's local machine to this one.

    Args:
        feed_socket: the socket that Listen reads, if it is not the default one.
    """
    ssh, program = _ssh(environment), _program()
    chosen = "" if feed_socket in (None, default_socket()) else f" --socket {shlex.quote(str(feed_socket))}"
    forward = ssh.replace("ssh", f"ssh -R {PULSE_PORT}:$XDG_RUNTIME_DIR/pulse/native", 1)
    return [
        Route("a  feed this screen", THERE, f"{RECORD} | {ssh} {program} feed{chosen}"),
        Route("b  listen without a screen", THERE, f"{RECORD} | {ssh} {program} listen --stdin --json"),
        Route("c  share its PulseAudio or PipeWire with this machine and its users", THERE, forward),
        Route(
            "   then use it as a device here (needs libasound2-plugins)",
            HERE,
            f"PULSE_SERVER=tcp:localhost:{PULSE_PORT} {program}",
        ),
    ]


def _ssh(environment: Mapping[str, str]) -> str:
    """The ssh command with which the user reached this machine, as far as its environment tells."""
    _, _, address, port = (environment.get("SSH_CONNECTION", "").split() + [""] * 4)[:4]
    option = f"-p {port} " if port not in ("", "22") else ""
    return f"ssh {option}{getpass.getuser()}@{address or socket.gethostname()}"


def _program() -> str:
    """The command that starts this program over SSH, where PATH has its default value."""
    script = Path(sys.executable).with_name("genre-tui")
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m tui.cli"
    return "genre-tui" if str(script.parent) in ORDINARY_PATH else shlex.quote(str(script))
