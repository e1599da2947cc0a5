"""Flattening a recipe to a table of fields, for lists of runs, filters and comparisons."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.util.text import printable

Scalar = str | float | int | bool | None
NOT_THE_RECIPE = {"seed", "device", "processes", "spectrograms"}
LARGEST = 2**53
"""Larger integers are stored as text, because JSON readers would round them."""


def flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """The recipe's fields; nested ones as ``optimiser.name``. Text is made printable and lists are joined."""
    fields: dict[str, Scalar] = {}
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[printable(f"{prefix}{name}")] = _scalar(value)
    return fields


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(written, map(_scalar, value)))
    return printable(str(value))


def written(value: Scalar) -> str:
    """``0.001``, ``1.7e-4``, ``adam``, or a dash for null."""
    if isinstance(value, float):
        return f"{value:.4g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}".replace("e-0", "e-")
    return "–" if value is None else str(value)


def differences(recipes: Sequence[Mapping[str, Scalar]]) -> list[tuple[str, list[str]]]:
    """The fields in which flat recipes differ, with the value in each; a dash if it does not have the field."""
    names = dict.fromkeys(name for recipe in recipes for name in recipe)
    rows = [(name, [written(recipe.get(name)) for recipe in recipes]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def but_for_the_seed(recipe: Mapping[str, Scalar]) -> frozenset[tuple[str, Scalar]]:
    """The fields that are equal for runs of one recipe: all but the seed and `NOT_THE_RECIPE`."""
    return frozenset(item for item in recipe.items() if item[0] not in NOT_THE_RECIPE)


def changes(recipe: Mapping[str, Scalar], base: Mapping[str, Scalar]) -> list[tuple[str, str, str]]:
    """Name, value in ``base`` and value in ``recipe`` of each common field that differs."""
    return [
        (name, written(base[name]), written(value))
        for name, value in recipe.items()
        if name in base and written(base[name]) != written(value)
    ]
