"""How sound gets to a machine without a microphone: three routes, each as the very commands to type."""

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
"""On the machine with the microphone. The WAV header says the rate, so nothing else has to."""
PULSE_PORT = 4713
"""PulseAudio's own. A forwarded Unix socket would not do: its clients take it for local and send memory over it."""
ORDINARY_PATH = {"/usr/local/bin", "/usr/bin", "/bin"}


class Route(NamedTuple):
    """One command of a route."""

    purpose: str
    where: str
    """On which machine to type it."""
    command: str


THERE, HERE = "on the machine with the microphone", "on this machine"


def routes(environment: Mapping[str, str] = os.environ, feed_socket: Path | None = None) -> list[Route]:
    """The routes to this machine, as it is reached from the one where the user sits.

    Args:
        feed_socket: the socket that is listened on, where it is not the usual one.
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
    """The ssh command that the user came by, as far as this end of it knows."""
    _, _, address, port = (environment.get("SSH_CONNECTION", "").split() + [""] * 4)[:4]
    option = f"-p {port} " if port not in ("", "22") else ""
    return f"ssh {option}{getpass.getuser()}@{address or socket.gethostname()}"


def _program() -> str:
    """How a command over SSH, which has an ordinary PATH, starts this program."""
    script = Path(sys.executable).with_name("genre-tui")
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m tui.cli"
    return "genre-tui" if str(script.parent) in ORDINARY_PATH else shlex.quote(str(script))
