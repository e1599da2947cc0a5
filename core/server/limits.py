"""The server's limits and their defaults."""

import msgspec

MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on what clients may request. Beyond one, the response is a problem with the status in parentheses."""

    body_bytes: int = 100 * MIB
    """Largest request body (413)."""
    files: int = 16
    """Most files per request (413)."""
    spool_bytes: int = 2048 * MIB
    """Bytes of uploads on disk, over all clients (503)."""
    audio_seconds: float = 900.0
    """Longest sound in one file, after decoding (413)."""
    requests: int = 128
    """Requests to classify at one time, counted from the end of the upload; a further one waits for its turn (503)."""
    wait_seconds: float = 5.0
    """Longest wait of a further request."""
    connections: int = 512
    """Open connections. When full, the oldest idle one, or the slowest sender, is closed to make room (else 503)."""
    header_seconds: float = 10.0
    """Time for the request line and headers; then the connection is closed."""
    body_grace_seconds: float = 10.0
    """Longest pause within a body, and the time before its rate is checked (408)."""
    body_bytes_per_second: int = 8 * 1024
    """Slowest upload, on average (408)."""
    sockets: int = 32
    """Open live sockets (503)."""
    sockets_per_second: float = 8.0
    """Live sockets opened per second on average, with bursts of four times as many (429)."""
    live_speed: float = 4.0
    """Fastest sound on a live socket, as a multiple of real time (429)."""
    live_idle_seconds: float = 30.0
    """A live socket that is silent for this long is closed (408)."""
    followers: int = 64
    """Open event streams (503)."""
    threads: int = 16
    """Files in progress, over all requests; others wait for their turn."""
    decode_seconds: float = 20.0
    """Time limit for decoding one file (422)."""
    decode_bytes: int = 1024 * MIB
    """Address space of a decoder process, of which libraries take about a third (422)."""
    answer_seconds: float = 20.0
    """Time for requests in progress when the server shuts down."""
