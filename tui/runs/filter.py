"""The filter language of the Runs screen: terms separated by spaces, all of which must match.

========================  ==================================================================================
``jazz``                  occurs in the run's name, model, dataset, state, tags or note
``"two words"``           the same, with a space in it
``/seed_(cnn|net)/``      a regular expression that matches there
``model=seed_cnn``        the field equals that: name, model, dataset, state, preset, gpu, note
``tag=paper``             one of the tags equals that
``model=/cnn/``           a regular expression that matches in the field
``val>0.7``  ``val>70%``  a number compares: val, test, progress (fractions or %), epochs, time (90, 90s, 5m, 2h),
                          started (2026-11-22, 2026-11-22T14:30, or today), base (points: 2.5)
``lr>0.001``              lr, batch, seed, and every field of the recipe by its name, such as optimiser.schedule=cosine
``!…``                    not
========================  ==================================================================================

Case does not matter. Numbers compare with ``=``, ``!=``, ``<``, ``<=``, ``>`` and ``>=``; a run without the value
matches only ``!=``.
"""

import contextlib
import re
import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from core.runs.summary import Summary, flat, written
from core.training.presets import preset
from core.training.recipe import to_dict
from core.util.errors import UserError
from tui.runs.columns import COLUMNS, Unit, recipe_number

Test = Callable[[Summary], bool]


class FilterError(UserError):
    """A term that is invalid or still incomplete; shown while the user types."""


TEXT_FIELDS: dict[str, Callable[[Summary], list[str]]] = {
    **{
        key: lambda run, read=column.value: [str(read(run))]  # type: ignore[misc]
        for key, column in COLUMNS.items()
        if column.unit == "text" and key != "tags"
    },
    "tag": lambda run: run.tags,
    "note": lambda run: [run.note],
}
"""Field → its texts; of several, one has to match."""
SEARCHED = ("name", "model", "dataset", "state", "tag", "note")
"""Fields in which a word is looked for."""
NUMBER_FIELDS: dict[str, tuple[Unit, Callable[[Summary], Any]]] = {
    **{key: (column.unit, column.value) for key, column in COLUMNS.items() if column.unit != "text" and key != "curve"},
    "epochs": ("count", lambda run: run.epochs_done),
}
_TERM = re.compile(r"""!?(?:[a-z_.]+(?:[<>]=?|!?=))?(?:"[^"]*"?|/(?:\\.|[^/\\])*/?(?=\s|$)|\S+)|!""", re.IGNORECASE)
_COMPARISON = re.compile(r"([a-z_.]+)([<>]=?|!?=)(.*)", re.IGNORECASE | re.DOTALL)
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def parse_filter(text: str) -> Test:
    """Parse a filter; every run passes an empty one.

    Raises:
        FilterError: names the term and what is wrong with it.
    """
    tests = [_negatable(term) for term in _TERM.findall(text)]
    return lambda run: all(test(run) for test in tests)


def _negatable(term: str) -> Test:
    if not term.startswith("!"):
        return _positive(term)
    if term == "!":
        raise FilterError("! needs a term to negate")
    test = _positive(term[1:])
    return lambda run: not test(run)


def _positive(term: str) -> Test:
    comparison = _COMPARISON.fullmatch(term)
    if comparison and not term.startswith(("/", '"')):
        return _compared(*comparison.groups())
    if term.count("(") != term.count(")") and not term.startswith(("/", '"')):
        raise FilterError(f'{term} has an unmatched parenthesis; to search for it literally, write "{term}"')
    found = _finder(term)
    return lambda run: any(found(text) for field in SEARCHED for text in TEXT_FIELDS[field](run))


def _compared(field: str, operator: str, value: str) -> Test:
    field = field.lower()
    if not value:
        raise FilterError(f"{field}{operator} needs a value")
    if field in TEXT_FIELDS:
        read = TEXT_FIELDS[field]
        if operator not in {"=", "!="}:
            raise FilterError(f"{field} is text: use {field}={value} or {field}!={value}")
        if value.startswith("/"):
            fits = _finder(value)
        else:
            wanted = value.strip('"').casefold()
            fits = lambda text: text.casefold() == wanted  # noqa: E731
        return lambda run: any(map(fits, read(run))) is (operator == "=")
    if field in NUMBER_FIELDS:
        return _number_test(field, operator, value, NUMBER_FIELDS[field])
    if field in recipe_fields():
        return _recipe_test(field, operator, value)
    fields = ", ".join([*TEXT_FIELDS, *NUMBER_FIELDS])
    raise FilterError(f"no field {field}; the fields are {fields}, and those of a recipe, such as optimiser.schedule")


@lru_cache(1)
def recipe_fields() -> frozenset[str]:
    """The names of a recipe's fields."""
    return frozenset(flat(to_dict(preset("quick", ""))))


def _recipe_test(field: str, operator: str, text: str) -> Test:
    """Numbers compare; other values equal a text or do not."""
    try:
        number = _number_test(field, operator, text, ("count", lambda run: recipe_number(run, field)))
    except FilterError:
        if operator not in {"=", "!="}:
            raise
        number = None
    fits = _finder(text) if text.startswith("/") else lambda value: value.casefold() == text.strip('"').casefold()

    def holds(run: Summary) -> bool:
        if number is not None and recipe_number(run, field) is not None:
            return number(run)
        if operator not in {"=", "!="}:
            return False
        return fits(written(run.recipe.get(field))) is (operator == "=")

    return holds


def _number_test(field: str, operator: str, text: str, values: tuple[Unit, Callable[[Summary], Any]]) -> Test:
    unit, read = values
    low, high, slack = _day(field, text) if unit == "time" else _number(field, unit, text)

    def holds(run: Summary) -> bool:
        number: float | None = read(run)
        if number is None:
            return operator == "!="
        match operator:
            case "=":
                return low - slack <= number <= high + slack
            case "!=":
                return not low - slack <= number <= high + slack
            case "<":
                return number < low
            case "<=":
                return number <= high
            case ">":
                return number > high
            case _:
                return number >= low

    return holds


def _number(field: str, kind: Unit, text: str) -> tuple[float, float, float]:
    """Lowest and highest value meant, and the tolerance of equality: half of the last digit written.

    A value that the table shows as 71.0% is thus found by ``val=71.0%`` and by ``val=71%``.
    """
    match = re.fullmatch(r"(-?[0-9]*(?:\.([0-9]*))?(?:e[+-]?[0-9]+)?)(%|[a-z]*)", text.lower())
    if not match or not re.search("[0-9]", match[1]):
        raise FilterError(f"{field} needs a number, not {text}")
    number, decimals, unit = float(match[1]), match[2] or "", match[3]
    if kind == "duration" and unit in _SECONDS:
        scale = _SECONDS[unit]
    elif kind == "count" and not unit:
        return number, number, abs(number) * 1e-9
    elif kind == "points" and unit in {"", "%"}:
        scale = 0.01
    elif kind == "fraction" and unit in {"", "%"}:
        scale = 0.01 if unit else 1.0
    else:
        raise FilterError(f"{field} has no unit {unit}")
    return number * scale, number * scale, scale * 0.5 * 10.0 ** -len(decimals)


def _day(field: str, text: str) -> tuple[float, float, float]:
    """The first and last moment of a day or a minute."""
    if text.lower() == "today":
        text = time.strftime("%Y-%m-%d")
    for form, length in (("%Y-%m-%d", 86_400), ("%Y-%m-%dT%H:%M", 60)):
        with contextlib.suppress(ValueError):
            start = datetime.strptime(text.upper(), form).timestamp()
            return start, start + length - 1e-3, 0.0
    raise FilterError(f"{field} needs a day such as {time.strftime('%Y-%m-%d')} or today, not {text}")


def _finder(text: str) -> Callable[[str], bool]:
    """A test for a regular expression between slashes, or for plain text."""
    if text.startswith("/"):
        body = text[1:-1] if len(text) > 1 and text.endswith("/") else text[1:]
        try:
            pattern = re.compile(body, re.IGNORECASE)
        except re.error as error:
            raise FilterError(f"/{body}/ is not a regular expression: {error}") from error
        return lambda where: pattern.search(where) is not None
    wanted = text.strip('"').casefold()
    return lambda where: wanted in where.casefold()
