"""How much the server takes on: one obvious place for each default."""

import msgspec

MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what clients can ask for. Beyond one, a client gets the status that is named and a problem body."""

    body_bytes: int = 100 * MIB
    """Largest body of a request (413)."""
    files: int = 16
    """Most files in one request (413)."""
    spool_bytes: int = 2048 * MIB
    """Uploads on disk at one time, of all clients together (503)."""
    audio_seconds: float = 900.0
    """Longest sound in one file, after decoding (413)."""
    requests: int = 128
    """Requests to classify whose files have come, at one time; a further one waits a little for a place (503)."""
    wait_seconds: float = 5.0
    """How long it waits."""
    connections: int = 512
    """Open connections; beyond, the oldest without a request or the slowest to send one makes room (else 503)."""
    header_seconds: float = 10.0
    """Time for a request's line and headers; then the connection is closed."""
    body_grace_seconds: float = 10.0
    """Longest pause inside a body, and the time before its rate is looked at (408)."""
    body_bytes_per_second: int = 8 * 1024
    """Slowest upload, on average (408)."""
    sockets: int = 32
    """Live sockets open at one time (503)."""
    sockets_per_second: float = 8.0
    """Live sockets opened in a second, on average; four times as many at once (429)."""
    live_speed: float = 4.0
    """Sound that a live socket may bring, as a multiple of real time (429)."""
    live_idle_seconds: float = 30.0
    """A live socket without sound for so long is closed (408)."""
    followers: int = 64
    """Event streams open at one time (503)."""
    threads: int = 16
    """Files in work at one time, of all requests together; the others wait for their turn."""
    decode_seconds: float = 20.0
    """Time that decoding one file may take (422)."""
    decode_bytes: int = 1024 * MIB
    """Address space of a process that decodes: about a third of it is libraries (422)."""
    answer_seconds: float = 20.0
    """Time for requests that are under way when the server is told to stop."""
