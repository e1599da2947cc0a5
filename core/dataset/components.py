"""Items that belong together because they share a key, directly or through others. Imports no torch."""

from collections.abc import Hashable, Sequence


def joined(keys: Sequence[Sequence[Hashable | None]]) -> list[int]:
    """Numbers of the connected components of items that share a key (union-find)."""
    parent = list(range(len(keys)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[Hashable, int] = {}
    for i, own in enumerate(keys):
        for key in own:
            if key is not None:
                parent[find(i)] = find(first.setdefault(key, i))
    numbers: dict[int, int] = {}
    return [numbers.setdefault(find(i), len(numbers)) for i in range(len(keys))]
