"""Which clips may be one recording, among many: short codes of their sound, looked up instead of compared in pairs.

A code holds the signs of 128 random projections. Two unit vectors at an angle a differ in each sign with probability
a / pi (Charikar, 2002), so excerpts that correlate by 0.95 differ in about 13, unrelated ones in 64. Sixteen
signs are a key: clips with one of four keys in common are compared by their whole codes. Imports no torch.

Shapes: N positions of all clips, Q excerpts of all clips, D = length of a vector.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

BITS, KEYS = 128, 4
MOST_DIFFERENT = 12
"""Signs of each word of a code in which excerpts that sound alike may differ: twice as many as expected at 0.95."""
AT_ONCE = 1 << 21
"""Comparisons of codes at a time, about 100 MB."""
Codes = npt.NDArray[np.uint64]
"""(N, 2): the signs in two words."""


def codes_of(vectors_ND: npt.NDArray[np.float32]) -> Codes:
    """A code for each vector."""
    planes_DB = np.random.default_rng(0).standard_normal((vectors_ND.shape[1], BITS), dtype=np.float32)
    return np.packbits(vectors_ND @ planes_DB > 0, axis=1).view(np.uint64)


def candidates(positions: Sequence[Codes], excerpts: Sequence[Codes]) -> Iterator[tuple[int, int]]:
    """Pairs of clips of which an excerpt of one is like a position of the other, by their codes; each pair once.

    Args:
        positions: for each clip the codes of all its positions.
        excerpts: for each clip the codes of a few of them, which are looked up among the positions of all others.
    """
    owner_N = np.repeat(np.arange(len(positions), dtype=np.int32), [len(codes) for codes in positions])
    owner_Q = np.repeat(np.arange(len(excerpts), dtype=np.int32), [len(codes) for codes in excerpts])
    code_N2, code_Q2 = np.concatenate(positions), np.concatenate(excerpts)
    seen: set[int] = set()
    for key in range(KEYS):
        key_N, key_Q = (codes.view(np.uint16)[:, key] for codes in (code_N2, code_Q2))
        order_N = np.argsort(key_N, kind="stable").astype(np.int32)
        sorted_N = key_N[order_N]
        first_Q = np.searchsorted(sorted_N, key_Q, "left")
        count_Q = np.searchsorted(sorted_N, key_Q, "right") - first_Q
        total_Q = np.cumsum(count_Q)
        begin = 0
        while begin < len(code_Q2):
            done = total_Q[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(total_Q, done + AT_ONCE, "right")))
            some = slice(begin, end)
            begin = end
            query_C = np.repeat(np.arange(some.start, some.stop), count_Q[some])
            starts_C = np.repeat(first_Q[some] - (total_Q[some] - count_Q[some] - done), count_Q[some])
            place_C = order_N[starts_C + np.arange(len(query_C))]
            for word in range(BITS // 64):
                differ_C = np.bitwise_count(code_N2[place_C, word] ^ code_Q2[query_C, word])
                kept_C = differ_C <= MOST_DIFFERENT
                place_C, query_C = place_C[kept_C], query_C[kept_C]
            a, b = owner_N[place_C].astype(np.int64), owner_Q[query_C].astype(np.int64)
            pairs = np.unique(np.minimum(a, b) * len(positions) + np.maximum(a, b))
            for pair in pairs.tolist():
                first, second = divmod(pair, len(positions))
                if first != second and pair not in seen:
                    seen.add(pair)
                    yield first, second
