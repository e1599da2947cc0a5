"""A recipe as a flat table, and what differs between recipes."""

import json
from math import nan
from pathlib import Path
from typing import Any

from core.runs.recipe_fields import changes, differences, flat


def test_what_differs_in_recipes_is_named_by_its_path() -> None:
    recipes: list[dict[str, Any]] = [
        {"epochs": 20, "seed": 0, "optimiser": {"name": "adam", "learning_rate": 1e-3}},
        {"epochs": 20, "seed": 1, "optimiser": {"name": "adam", "learning_rate": 1.5e-4}, "crop_seconds": None},
        {"epochs": 20, "seed": 0, "optimiser": {"name": "adam", "learning_rate": 1e-3}, "crop_seconds": 6.0},
    ]
    assert differences([flat(recipe) for recipe in recipes]) == [
        ("seed", ["0", "1", "0"]),
        ("optimiser.learning_rate", ["0.001", "1.5e-4", "0.001"]),
        ("crop_seconds", ["–", "–", "6"]),
    ]
    assert differences([flat(recipes[0])] * 2) == []


def test_changes_leave_out_what_the_other_recipe_does_not_have() -> None:
    before = flat({"epochs": 20, "optimiser": {"learning_rate": 3e-3}})
    now = flat({"epochs": 60, "optimiser": {"learning_rate": 3e-3}, "added_later": 1})
    assert changes(now, before) == [("epochs", "20", "60")]


def test_a_flat_recipe_can_be_stored_whatever_it_holds() -> None:
    """Names that are not UTF-8, numbers that JSON does not have, and lists."""
    odd = {"data": Path("/music/\udcff\x1b"), "rate": nan, "large": 2**80, "list": [1, "a", None], "none": None}
    fields = flat(odd)
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields
    assert fields["data"] == "/music/\\xff\\x1b"
    assert fields["list"] == "1, a, –"
