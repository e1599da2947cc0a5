"""Which device a run gets."""

import pytest
import torch

from core.util.device import choose_device, device_name, is_surely_cpu, shared_device
from core.util.errors import UserError


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert device_name(torch.device("cpu"))
    assert is_surely_cpu("cpu")


def test_auto_takes_an_accelerator_where_there_is_one() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == expected
    assert not (is_surely_cpu("auto") and expected != "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "xpu", "meta", ""])
def test_a_name_that_is_none_says_what_there_is(name: str) -> None:
    with pytest.raises(UserError, match="auto, cpu, cuda"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:3"])
def test_cuda_without_a_gpu(name: str) -> None:
    with pytest.raises(UserError, match="finds no CUDA GPU"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_processes_take_the_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [shared_device(name, 5) for name in ("auto", "cpu")] == ["auto", "cpu"]
    with pytest.raises(UserError, match="finds no CUDA GPU"):
        shared_device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    for name in ("auto", "cuda"):
        assert [shared_device(name, number) for number in range(4)] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert [shared_device(name, 3) for name in ("cpu", "cuda:1")] == ["cpu", "cuda:1"]
