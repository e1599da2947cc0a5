"""A candidate kernel for the first fully connected layer of ``seed_cnn``: its backward pass and Adam in one.

make bench ARGS="--only linear_adam"                  # on a GPU: whether it pays
TRITON_INTERPRET=1 python -m benchmarks.linear_adam   # without one: whether it is right

With a batch of 16 the weights' gradient is a sum of 16 outer products, which the optimiser can compute while it
updates, and the input's gradient follows from the weights that it reads: of ten passes over the weights seven remain.
It becomes part of training if a step takes at least 0.8 ms less.

Suffixes: B batch, N outputs, K inputs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
import triton
import triton.language as tl
from torch import Tensor

from benchmarks.bench import Bench
from benchmarks.table import Figure

BATCH, OUTPUTS, INPUTS = 16, 512, 329_728
"""Of ``seed_cnn`` at 30 s: 128 channels of 16 bands and 161 frames."""
BETAS, EPS, DECAY, RATE = (0.9, 0.999), 1e-8, 1e-5, 1e-3
TILES = ((16, 128, 4), (32, 128, 4), (32, 128, 8), (32, 256, 8), (64, 64, 4))
"""Outputs and inputs per tile, and warps, that are tried."""
ROWS = 16
"""Fewest rows of a matrix product in Triton."""


@triton.jit
def backward_and_adam(
    x, dy, weight, mean, square, dx, scales, batch, K,
    beta1, beta2, eps, decay,
    N: tl.constexpr, B: tl.constexpr, TILE_N: tl.constexpr, TILE_K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The input's gradient and the updated weights of ``TILE_K`` inputs, over all outputs."""
    b, k = tl.arange(0, B), tl.program_id(0) * TILE_K + tl.arange(0, TILE_K)
    rows, columns = (b < batch)[:, None], (k < K)[None, :]
    at_BK = b[:, None] * K + k[None, :]
    x_BK = tl.load(x + at_BK, mask=rows & columns, other=0.0)
    rate, root = tl.load(scales), tl.load(scales + 1)
    dx_BK = tl.zeros((B, TILE_K), tl.float32)
    for first in range(0, N, TILE_N):
        n = first + tl.arange(0, TILE_N)
        at_NK = n.to(tl.int64)[:, None] * K + k[None, :]
        weight_NK = tl.load(weight + at_NK, mask=columns, other=0.0)
        mean_NK = tl.load(mean + at_NK, mask=columns, other=0.0)
        square_NK = tl.load(square + at_NK, mask=columns, other=0.0)
        dy_BN = tl.load(dy + b[:, None] * N + n[None, :], mask=rows, other=0.0)
        dx_BK = tl.dot(dy_BN, weight_NK, dx_BK, input_precision=PRECISION)
        gradient_NK = tl.dot(tl.trans(dy_BN), x_BK, input_precision=PRECISION) + decay * weight_NK
        mean_NK += (1 - beta1) * (gradient_NK - mean_NK)
        square_NK = beta2 * square_NK + (1 - beta2) * gradient_NK * gradient_NK
        tl.store(weight + at_NK, weight_NK - rate * mean_NK / (tl.sqrt(square_NK) / root + eps), mask=columns)
        tl.store(mean + at_NK, mean_NK, mask=columns)
        tl.store(square + at_NK, square_NK, mask=columns)
    tl.store(dx + at_BK, dx_BK, mask=rows & columns)


@dataclass
class Layer:
    """Weights [N, K] with Adam's state."""

    weight: Tensor
    mean: Tensor = field(init=False)
    square: Tensor = field(init=False)
    step: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.mean, self.square = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        self.step = torch.zeros((), device=self.weight.device)

    def backward(self, x_BK: Tensor, dy_BN: Tensor, tile: tuple[int, int, int], precision: str) -> Tensor:
        """Update the weights; returns the input's gradient (B, K), by the weights before."""
        outputs, inputs = self.weight.shape
        self.step += 1
        scales = torch.stack([RATE / (1 - BETAS[0] ** self.step), (1 - BETAS[1] ** self.step).sqrt()])
        dx_BK = torch.empty_like(x_BK)
        tile_n, tile_k, warps = tile
        backward_and_adam[(triton.cdiv(inputs, tile_k),)](
            x_BK, dy_BN, self.weight, self.mean, self.square, dx_BK, scales, len(x_BK), inputs,
            *BETAS, EPS, DECAY,
            outputs, max(ROWS, triton.next_power_of_2(len(x_BK))), tile_n, tile_k, precision,
            num_warps=warps,
        )  # fmt: skip
        return dx_BK


class PlainLayer:
    """The same by PyTorch's products and its optimiser."""

    def __init__(self, weight: Tensor, *, capturable: bool) -> None:
        self.weight = weight
        self.optimiser = torch.optim.Adam(
            [weight], RATE, BETAS, EPS, weight_decay=DECAY, fused=capturable, capturable=capturable
        )

    def backward(self, x_BK: Tensor, dy_BN: Tensor) -> Tensor:
        dx_BK = dy_BN @ self.weight
        self.weight.grad = dy_BN.T @ x_BK
        self.optimiser.step()
        return dx_BK


def check(batch: int, outputs: int, inputs: int, tile: tuple[int, int, int], device: str, tolerance: float) -> None:
    """Three steps of both layers give the same gradients of the input, averages and changes of the weights."""
    torch.manual_seed(0)
    begin = torch.randn(outputs, inputs, device=device) / inputs**0.5
    ours, plain = Layer(begin.clone()), PlainLayer(begin.clone(), capturable=device == "cuda")
    for _ in range(3):
        x_BK, dy_BN = torch.randn(batch, inputs, device=device), torch.randn(batch, outputs, device=device)
        _assert_close(ours.backward(x_BK, dy_BN, tile, "ieee"), plain.backward(x_BK, dy_BN), tolerance)
    state = plain.optimiser.state[plain.weight]
    _assert_close(ours.mean, state["exp_avg"], tolerance)
    _assert_close(ours.square, state["exp_avg_sq"], tolerance)
    _assert_close(ours.weight - begin, plain.weight - begin, 10 * tolerance)


def _assert_close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    error = float((ours - theirs).norm() / theirs.norm())
    assert error <= tolerance, f"{error:.2g} is above {tolerance:.2g}"


def measure(bench: Bench) -> Iterator[Figure]:
    """One step of the layer as a CUDA graph, forward pass included."""
    if not torch.cuda.is_available():
        raise RuntimeError("it needs a CUDA GPU")
    check(BATCH, OUTPUTS, 4_100, TILES[0], "cuda", 1e-4)
    torch.set_float32_matmul_precision("high")  # as in training
    weight = torch.randn(OUTPUTS, INPUTS, device="cuda") / INPUTS**0.5
    x_BK, dy_BN = torch.randn(BATCH, INPUTS, device="cuda"), torch.randn(BATCH, OUTPUTS, device="cuda")
    plain, ours = PlainLayer(weight, capturable=True), Layer(weight.clone())
    theirs = _milliseconds(partial(_step, plain.weight, partial(plain.backward, x_BK, dy_BN), x_BK), bench)
    for tile in TILES:
        own = _milliseconds(partial(_step, ours.weight, partial(ours.backward, x_BK, dy_BN, tile, "tf32"), x_BK), bench)
        what = f"first layer of seed_cnn with Adam, a step, tiles of {tile[0]}×{tile[1]}, {tile[2]} warps"
        yield Figure(what, own, "ms", theirs, "products and fused Adam", "0.8 ms less")


def _step(weight: Tensor, backward: Callable[[], Tensor], x_BK: Tensor) -> Tensor:
    torch.mm(x_BK, weight.T)
    return backward()


def _milliseconds(work: Callable[[], object], bench: Bench) -> float:
    """The fastest of several rounds of replays."""
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph):
        work()
    times = []
    for _ in range(3 if bench.quick else 10):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(20):
            graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(float(begin.elapsed_time(end)) / 20)
    return min(times)


if __name__ == "__main__":
    for case in ((16, 32, 300, (16, 64, 4)), (5, 64, 129, (32, 64, 4)), (16, 16, 40, (16, 16, 4))):
        check(*case, "cuda" if torch.cuda.is_available() else "cpu", 1e-4 if torch.cuda.is_available() else 1e-5)
    print("the kernel is right")
