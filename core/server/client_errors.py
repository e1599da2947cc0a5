"""Errors of clients in the log: the first of a kind, then how many followed it within a minute.

Any client can send malformed requests, and a line for each would let it fill the disk. Other errors are all logged.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 60.0


class _Limit(logging.Filter):
    def __init__(self, is_client_error: Callable[[logging.LogRecord], bool], seconds: float) -> None:
        super().__init__()
        self._is_client_error, self._seconds = is_client_error, seconds
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not self._is_client_error(record):
            return True
        if record.msg in self._left_out:
            self._left_out[record.msg] += 1
            return False
        record.exc_info = None  # the traceback leads through the library only
        self._left_out[record.msg] = 0
        asyncio.get_running_loop().call_later(self._seconds, self._report, record)
        return True

    def _report(self, first: logging.LogRecord) -> None:
        if count := self._left_out.pop(first.msg):
            logging.getLogger(first.name).log(
                first.levelno, "%s (and %d more within %.0f s)", first.getMessage(), count, self._seconds
            )


@contextmanager
def limited(
    logger: str, is_client_error: Callable[[logging.LogRecord], bool], seconds: float = SECONDS
) -> Iterator[None]:
    """Limit the errors of clients that ``logger`` logs; it must log them within an event loop."""
    limit = _Limit(is_client_error, seconds)
    logging.getLogger(logger).addFilter(limit)
    try:
        yield
    finally:
        logging.getLogger(logger).removeFilter(limit)
