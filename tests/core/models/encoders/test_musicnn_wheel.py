"""Checkpoints of TensorFlow are read without it, and damage ends in one sentence."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.encoders.musicnn_wheel import read_bundle
from tests.support.tensor_bundle import bundle, field, table

TENSORS: dict[str, npt.NDArray[np.generic]] = {
    "conv2d/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 1, 4),
    "conv2d/bias": np.arange(4, dtype=np.float32),
    "conv2d_1/bias": np.array([-1, 7], dtype=np.int32),
    "dense/kernel": np.linspace(0, 1, 400, dtype=np.float64).reshape(20, 20),
    "power": np.array(0.5, dtype=np.float32),
}


def test_every_tensor_comes_back_with_its_name_shape_type_and_values() -> None:
    index, data = bundle(TENSORS)
    read = read_bundle(index, data)
    assert read.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        assert read[name].dtype == values.dtype
        np.testing.assert_array_equal(read[name], values)


def test_a_tensor_beyond_the_data_is_refused() -> None:
    index, data = bundle(TENSORS)
    with pytest.raises(ValueError, match="beyond the end"):
        read_bundle(index, data[:-1])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (field(1, 1) + field(2, field(2, field(1, 2**40))) + field(5, 8), "does not match its shape"),
        (field(1, 1) + field(2, field(2, field(1, 0)) + field(2, field(1, 2**63))), "does not match its shape"),
        (field(1, 23), "not supported"),
        (field(1, 1) + field(7, b"x") + field(5, 4), "slices"),
        (field(1, b"text"), "not a number"),
        (field(2, 5) + field(1, 1), "not a message"),
        (b"\x0a\xff", "cut off"),
        (b"\x80" * 11, "64 bits"),
        (b"\x0b", "unknown type"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(value: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_bundle(table([(b"", field(1, 1)), (b"w", value)]), b"\0" * 8)


@pytest.mark.parametrize("header", [field(1, 2), field(1, 1) + field(2, 1)])
def test_several_data_files_and_big_endian_numbers_are_refused(header: bytes) -> None:
    with pytest.raises(ValueError, match="several data files"):
        read_bundle(table([(b"", header)]), b"")


@given(st.data())
def test_no_damage_to_the_index_raises_anything_else(draw: st.DataObject) -> None:
    index, data = bundle(TENSORS)
    damaged = bytearray(index)
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(0, len(index) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.sampled_from([len(index), len(index) - 1, 60, 0]))
    try:
        read = read_bundle(bytes(damaged[:cut]), data)
    except ValueError as error:
        assert str(error)
    else:
        assert all(values.nbytes <= len(data) for values in read.values())
