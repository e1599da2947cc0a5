import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from core.audio.files.decode import decode
from core.audio.files.open_file import AudioError
from core.server.decode_pool import DecodePool
from core.server.limits import MIB, Limits
from core.server.schemas import Problem
from tests.support.served import RATE, chord, encoded

MakePool = Callable[..., DecodePool]


@pytest.fixture
def pools() -> Iterator[MakePool]:
    made: list[DecodePool] = []

    def make(**limits: object) -> DecodePool:
        made.append(DecodePool(1, Limits(**limits)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def workers(pool: DecodePool) -> list[psutil.Process]:
    """By their ids: what a process that has only just begun calls itself is not to be relied on."""
    return [psutil.Process(worker._process.pid) for worker in pool._workers]


def read(pool: DecodePool, path: Path) -> tuple[np.ndarray, str | None]:
    with pool.decoding(path, "song") as sound:
        blocks = [block for block, rate in sound.blocks() if rate]
    return np.concatenate(blocks), sound.warning


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.flac"
    path.write_bytes(encoded(chord(40), format_="FLAC"))
    return path


def test_a_worker_gives_what_decoding_here_gives(pools: MakePool, song: Path) -> None:
    pool = pools()
    for _ in range(2):
        y, warning = read(pool, song)
        assert np.array_equal(y, decode(song)[0])
        assert warning is None


def test_what_is_cut_off_is_said(pools: MakePool, tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(encoded(chord(4))[: RATE * 4])
    _, warning = read(pools(), path)
    assert warning is not None and "cut off" in warning


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"fLaC" + b"\0" * 100, b"RIFF\xff\xff\xff\xffWAVE", os.urandom(5000)],
    ids=["empty", "one byte", "flac of zeros", "endless wav", "noise"],
)
def test_what_is_not_audio_is_refused_and_the_worker_lives(
    pools: MakePool, tmp_path: Path, song: Path, content: bytes
) -> None:
    pool = pools()
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(AudioError):
        read(pool, path)
    assert len(read(pool, song)[0]) == 40 * RATE


def test_hours_of_silence_in_a_small_file_are_refused_early(pools: MakePool, tmp_path: Path, song: Path) -> None:
    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", 8000, 1, format="FLAC") as file:
        for _ in range(120):
            file.write(np.zeros(8000 * 60, dtype=np.int16))
    assert path.stat().st_size < 300_000
    pool = pools(audio_seconds=60.0)
    with pytest.raises(Problem) as refused:
        read(pool, path)
    assert refused.value.status == 413
    # The same with a header that does not know how long it is.
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = b"\0\0\0\0"
    path.write_bytes(data)
    with pytest.raises((Problem, AudioError)):
        read(pool, path)
    assert len(read(pool, song)[0]) == 40 * RATE


def test_a_worker_cannot_take_more_memory_than_it_may(pools: MakePool, song: Path) -> None:
    pool = pools(decode_bytes=700 * MIB)
    assert len(read(pool, song)[0]) == 40 * RATE
    assert workers(pool)[0].rlimit(psutil.RLIMIT_AS) == (700 * MIB, 700 * MIB)
    with pytest.raises(AudioError, match="too much memory"):
        read(pools(decode_bytes=50 * MIB), song)


def test_a_crash_costs_one_file(pools: MakePool, song: Path) -> None:
    crashes = []
    pool = DecodePool(1, Limits(), lambda: crashes.append(1))
    try:
        (worker,) = workers(pool)
        with pytest.raises(AudioError, match="crashed the decoder"), pool.decoding(song, "song") as sound:
            worker.send_signal(signal.SIGSEGV)
            list(sound.blocks())
        assert crashes == [1]
        assert len(read(pool, song)[0]) == 40 * RATE
    finally:
        pool.close()


def test_a_decoder_that_hangs_is_replaced(pools: MakePool, song: Path) -> None:
    pool = pools(decode_seconds=3.0)
    read(pool, song)
    (worker,) = workers(pool)
    worker.suspend()
    with pytest.raises(AudioError, match="too long to decode"):
        read(pool, song)
    assert not worker.is_running()
    assert len(read(pool, song)[0]) == 40 * RATE


def test_a_listener_who_leaves_early_leaves_a_working_pool(pools: MakePool, song: Path) -> None:
    pool = pools()
    with pool.decoding(song, "song") as sound:
        next(sound.blocks())
    assert len(read(pool, song)[0]) == 40 * RATE


def test_workers_end_with_the_pool(song: Path) -> None:
    pool = DecodePool(2, Limits())
    begun = workers(pool)
    assert len(begun) == 2
    pool.close()
    assert not [worker for worker in begun if worker.is_running()]


def test_a_worker_sees_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_TOKEN", "a-secret-of-some-length")
    pool = DecodePool(1, Limits())
    try:
        assert "GENRE_TUI_TOKEN" not in workers(pool)[0].environ()
    finally:
        pool.close()
