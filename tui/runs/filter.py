"""The filter language of the Runs screen: words with spaces between them, all of which must hold.

========================  ==================================================================================
``jazz``                  the letters occur in the run's name, model, dataset or state
``"two words"``           the same, with a space in it
``/seed_(cnn|net)/``      a regular expression finds something there
``model=seed_cnn``        a field is that: name, model, dataset, state
``model=/cnn/``           a regular expression finds something in the field
``val>0.7``  ``val>70%``  a field compares: val, test, progress (fractions or %), epochs, time (90, 90s, 5m, 2h),
                          started (2026-11-22, 2026-11-22T14:30, or today)
``!…``                    not
========================  ==================================================================================

Case does not matter. ``=``, ``!=``, ``<``, ``<=``, ``>`` and ``>=`` compare; a run without the value fits
none of them but ``!=``.
"""

import contextlib
import re
import time
from collections.abc import Callable
from datetime import datetime

from core.util.errors import UserError
from tui.runs.row import RunRow

Test = Callable[[RunRow], bool]


class FilterError(UserError):
    """A term that means nothing, or not yet: people see it while they type."""


TEXT_FIELDS: dict[str, Callable[[RunRow], str]] = {
    "name": lambda row: row.name,
    "model": lambda row: row.model,
    "dataset": lambda row: row.dataset,
    "state": lambda row: row.state,
}
NUMBER_FIELDS: dict[str, Callable[[RunRow], float | None]] = {
    "val": lambda row: row.val,
    "test": lambda row: row.test,
    "progress": lambda row: row.progress,
    "epochs": lambda row: row.epochs_done,
    "time": lambda row: row.seconds,
    "started": lambda row: row.started,
}
_TERM = re.compile(r"""!?(?:[a-z]+(?:[<>]=?|!?=))?(?:"[^"]*"?|/(?:\\.|[^/\\])*/?(?=\s|$)|\S+)|!""", re.IGNORECASE)
_COMPARISON = re.compile(r"([a-z]+)([<>]=?|!?=)(.*)", re.IGNORECASE | re.DOTALL)
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def parse_filter(text: str) -> Test:
    """The test that ``text`` stands for; an empty text is passed by every run.

    Raises:
        FilterError: names the term, and what it lacks.
    """
    tests = [_negatable(term) for term in _TERM.findall(text)]
    return lambda row: all(test(row) for test in tests)


def _negatable(term: str) -> Test:
    if not term.startswith("!"):
        return _positive(term)
    if term == "!":
        raise FilterError("! needs something that should not be")
    test = _positive(term[1:])
    return lambda row: not test(row)


def _positive(term: str) -> Test:
    comparison = _COMPARISON.fullmatch(term)
    if comparison and not term.startswith(("/", '"')):
        return _compared(*comparison.groups())
    found = _finder(term)
    return lambda row: any(found(read(row)) for read in TEXT_FIELDS.values())


def _compared(field: str, operator: str, value: str) -> Test:
    field = field.lower()
    if not value:
        raise FilterError(f"{field}{operator} needs a value")
    if field in TEXT_FIELDS:
        read = TEXT_FIELDS[field]
        if operator not in {"=", "!="}:
            raise FilterError(f"{field} is a text: use {field}={value} or {field}!={value}")
        if value.startswith("/"):
            fits = _finder(value)
        else:
            wanted = value.strip('"').casefold()
            fits = lambda text: text.casefold() == wanted  # noqa: E731
        return lambda row: fits(read(row)) is (operator == "=")
    if field in NUMBER_FIELDS:
        return _number_test(field, operator, value)
    fields = ", ".join([*TEXT_FIELDS, *NUMBER_FIELDS])
    raise FilterError(f"no field {field}; there is {fields}")


def _number_test(field: str, operator: str, text: str) -> Test:
    read = NUMBER_FIELDS[field]
    low, high, slack = _day(text) if field == "started" else _number(field, text)

    def holds(row: RunRow) -> bool:
        number = read(row)
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


def _number(field: str, text: str) -> tuple[float, float, float]:
    """Lowest and highest value that is meant, and how far from it is still equal: half of the last digit written.

    What the table shows as 71.0% is so found by ``val=71.0%`` and by ``val=71%``.
    """
    match = re.fullmatch(r"([0-9]*(?:\.([0-9]*))?)(%|[a-z]*)", text.lower())
    if not match or not match[1].strip("."):
        raise FilterError(f"{field} is a number: {text} is none")
    number, decimals, unit = float(match[1]), match[2] or "", match[3]
    if field == "time" and unit in _SECONDS:
        scale = _SECONDS[unit]
    elif field == "epochs" and not unit:
        return number, number, 0.0
    elif field in {"val", "test", "progress"} and unit in {"", "%"}:
        scale = 0.01 if unit else 1.0
    else:
        raise FilterError(f"{field} has no unit {unit}")
    return number * scale, number * scale, scale * 0.5 * 10.0 ** -len(decimals)


def _day(text: str) -> tuple[float, float, float]:
    """The first and the last moment of a day, or of a minute."""
    if text.lower() == "today":
        text = time.strftime("%Y-%m-%d")
    for form, length in (("%Y-%m-%d", 86_400), ("%Y-%m-%dT%H:%M", 60)):
        with contextlib.suppress(ValueError):
            start = datetime.strptime(text.upper(), form).timestamp()
            return start, start + length - 1e-3, 0.0
    raise FilterError(f"started is a day, such as {time.strftime('%Y-%m-%d')} or today, not {text}")


def _finder(text: str) -> Callable[[str], bool]:
    """Whether a regular expression between slashes, or a plain text, occurs somewhere."""
    if text.startswith("/"):
        body = text[1:-1] if len(text) > 1 and text.endswith("/") else text[1:]
        try:
            pattern = re.compile(body, re.IGNORECASE)
        except re.error as error:
            raise FilterError(f"/{body}/ is no regular expression: {error}") from error
        return lambda where: pattern.search(where) is not None
    wanted = text.strip('"').casefold()
    return lambda where: wanted in where.casefold()
