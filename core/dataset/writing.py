"""The feature store's own thread: spectrograms go to the disk while others are computed."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from torch import Tensor

from core.dataset.store import FeatureStore

MOST_WAITING = 256
"""Spectrograms that may wait for the disk."""


@contextmanager
def writing(store: FeatureStore) -> Iterator[Callable[[str, Tensor], None]]:
    """A thread that puts spectrograms into ``store`` while others are computed.

    In the end all are on disk, also when somebody has asked for a stop.

    Raises:
        UserError: the store cannot be written.
    """
    pool = ThreadPoolExecutor(1, "store")
    waiting: deque[Future[None]] = deque()

    def put(content: str, codes_MT: Tensor) -> None:
        waiting.append(pool.submit(store.put, content, codes_MT))
        while waiting and (waiting[0].done() or len(waiting) > MOST_WAITING):
            waiting.popleft().result()

    try:
        yield put
    finally:
        waiting.append(pool.submit(store.flush))
        pool.shutdown()
    for future in waiting:
        future.result()
