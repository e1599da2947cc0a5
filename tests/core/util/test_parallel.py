"""Threads: in order, no more than wanted, and no more than a container's quota allows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.util import parallel
from core.util.parallel import affinity, cores, cpu_quota, ordered_map


def test_results_come_in_order_and_not_too_far_ahead() -> None:
    begun: list[int] = []

    def square(i: int) -> int:
        begun.append(i)
        return i * i

    results = ordered_map(square, range(100), threads=2)
    assert next(results) == 0
    assert len(begun) <= 2 * parallel.AHEAD
    assert list(results) == [i * i for i in range(1, 100)]


def a_machine(folder: Path, monkeypatch: pytest.MonkeyPatch, own: str, files: dict[str, str]) -> None:
    (folder / "own").write_text(own)
    for name, content in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setattr(parallel, "OWN_CGROUP", folder / "own")
    monkeypatch.setattr(parallel, "CGROUPS", folder / "cgroup")


V1 = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n"


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, 0.5),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "200000 100000\n"}, 2.0),
        ("0::/../../host\n", {"cpu.max": "100000 100000\n"}, 1.0),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 2.5),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, None),
        (
            V1,
            {"cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "1000", "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "0"},
            None,
        ),
        ("nonsense\n", {}, None),
    ],
)
def test_the_quota_of_a_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, files: dict[str, str], quota: float | None
) -> None:
    a_machine(tmp_path, monkeypatch, own, files)
    assert cpu_quota() == quota
    assert cores() == (affinity() if quota is None else max(1, min(affinity(), -int(-quota // 1))))


def test_a_trainer_starts_no_more_threads_than_its_quota_allows(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    code = f"""
import os
from pathlib import Path
from core.util import parallel
parallel.OWN_CGROUP, parallel.CGROUPS = Path({str(tmp_path / "own")!r}), Path({str(tmp_path)!r})
parallel.os.sched_getaffinity = lambda pid: range(8)
from core.util.parallel import tune_process
tune_process()
print(os.environ["OMP_NUM_THREADS"])
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
