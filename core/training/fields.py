"""The fields of a recipe by name, with type, description and text form, from its typed structs. Imports no torch.

Forms, ``--set`` and comparisons thus need no list of fields.
"""

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from core.training.recipe import Recipe
from core.util.text import field_docs

NOT_TYPED = ("labels.digest", "encoder")
"""Fields that a user cannot type: recorded values, and those that follow from a name (see `core.models.encoders`)."""
NONE = "none"
"""Text for a missing value."""
YES, NO = "yes", "no"
MOST_DIGITS = 30
"""Most digits of an integer: Python refuses to parse thousands."""


@dataclass(frozen=True)
class Field:
    """A setting of a recipe."""

    name: str
    """The name for ``--set``: ``epochs``, ``optimiser.warmup``."""
    kinds: tuple[Any, ...]
    """Types of its value, without None."""
    optional: bool
    """Whether it may be None."""
    is_path: bool
    about: str
    """Its docstring in one line."""

    @property
    def group(self) -> str:
        """The struct of the field: ``optimiser``; empty for the recipe's own fields."""
        return self.name.rpartition(".")[0]

    @property
    def label(self) -> str:
        """``Learning rate``."""
        return self.name.rpartition(".")[2].replace("_", " ").capitalize()

    @property
    def choices(self) -> tuple[str, ...]:
        """All values as text if there are few; otherwise empty."""
        if not all(get_origin(kind) is Literal or kind is bool for kind in self.kinds):
            return ()
        names = [name for kind in self.kinds for name in ((YES, NO) if kind is bool else get_args(kind))]
        return (*names, NONE) if self.optional else tuple(names)

    def text(self, value: object) -> str:
        """The text form of a value, which `parse` reads."""
        match value:
            case None:
                return NONE
            case bool():
                return YES if value else NO
            case float():
                return repr(value).removesuffix(".0")
            case list() | tuple():
                return ", ".join(self.text(part) for part in value)
            case dict():
                return ", ".join(f"{name}={encode_value(part)}" for name, part in value.items())
        return str(value)

    def parse(self, text: str) -> object:
        """The value of a text form.

        Raises:
            ValueError: the text has another type; the message says what is expected.
        """
        text = text.strip()
        if self.optional and text.lower() in ("", NONE):
            return None
        for kind in self.kinds:
            try:
                return _parsed(text, kind)
            except ValueError:
                continue
        raise ValueError(f"enter {' or '.join([_expected(kind) for kind in self.kinds] + [NONE] * self.optional)}")


def _parsed(text: str, kind: Any) -> object:
    """
    Raises:
        ValueError: the text is not of this kind.
    """
    if get_origin(kind) is Literal:
        if text in get_args(kind):
            return text
    elif kind is bool:
        if text in (YES, NO):
            return text == YES
    elif kind is int:
        if re.fullmatch(rf"[+-]?\d{{1,{MOST_DIGITS}}}", text):
            return int(text)
    elif kind is float:
        return float(text)
    elif kind is str:
        return text
    elif get_origin(kind) is tuple:
        parts, inner = text.split(","), get_args(kind)
        if len(parts) == len(inner):
            return tuple(_parsed(part.strip(), one) for part, one in zip(parts, inner, strict=True))
    elif get_origin(kind) is dict:
        pairs = [pair.partition("=") for pair in re.split(r",\s*(?=[^,=]+=)", text) if pair.strip()]
        if all(name.strip() and equals for name, equals, _ in pairs):
            return {name.strip(): decode_value(value.strip()) for name, _, value in pairs}
    raise ValueError(text)


def _expected(kind: Any) -> str:
    """A description of what `_parsed` accepts."""
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        return f"{len(inner)} {'numbers' if inner[0] is float else 'names'} separated by commas"
    if get_origin(kind) is dict:
        return "name=value, separated by commas"
    return {int: "a whole number", float: "a number such as 0.001 or 1e-3", bool: f"{YES} or {NO}", str: "a text"}[kind]


@cache
def recipe_fields() -> dict[str, Field]:
    """Name → field, in the order of definition."""
    return {field.name: field for field in fields_of(Recipe, "")}


def fields_of(struct: type[msgspec.Struct], prefix: str) -> Iterator[Field]:
    """Yield the fields of a struct and of nested structs, with ``prefix`` before their names."""
    docs, hints = field_docs(struct), get_type_hints(struct, include_extras=True)
    for name in struct.__struct_fields__:
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from fields_of(hint, f"{prefix}{name}.")
        elif f"{prefix}{name}" not in NOT_TYPED:
            about = " ".join(docs.get(name, "").replace("``", "").split())
            yield _field(f"{prefix}{name}", hint, about)


def _field(name: str, hint: Any, about: str) -> Field:
    union = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in union]
    extras = [extra for kind in union if get_origin(kind) is Annotated for extra in get_args(kind)[1:]]
    is_path = any(isinstance(extra, msgspec.Meta) and extra.title == "path" for extra in extras)
    given = tuple(kind for kind in kinds if kind is not types.NoneType)
    return Field(name, given, types.NoneType in kinds, is_path, about)


def value_of(recipe: Mapping[str, Any], name: str) -> Any:
    """The value of a field of a recipe given as plain values."""
    group, _, inner = name.rpartition(".")
    return (recipe[group] if group else recipe)[inner]


def set_value(recipe: dict[str, Any], name: str, value: object) -> None:
    """Set a field of a recipe given as plain values."""
    group, _, inner = name.rpartition(".")
    (recipe[group] if group else recipe)[inner] = value


def decode_value(text: str) -> object:
    """Decode a value of ``--set``: a number, true, false, null or list as in JSON; anything else is a string."""
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text


def encode_value(value: object) -> str:
    """The inverse of `decode_value`."""
    if isinstance(value, str) and decode_value(value) == value:
        return value
    return msgspec.json.encode(value).decode()
