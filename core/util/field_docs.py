"""What the source says about the fields of a struct, for settings files, forms and help."""

import ast
import inspect
from functools import cache

import msgspec


@cache
def field_docs(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field → the string below it, from the source of the class; fields without one are left out."""
    docs = {}
    (source,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(source, ast.ClassDef)
    for field, text in zip(source.body, source.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            docs[field.target.id] = str(text.value.value)
    return docs
