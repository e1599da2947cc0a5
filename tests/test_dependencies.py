"""pyproject.toml declares every package that the code imports."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = {"core", "tui", "tests", "benchmarks", "tools"}
FROM_TORCH = "triton"
"""PyTorch for CUDA brings its own build, and no other may stand beside it."""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normalised(found[0]) for line in requirements if (found := re.match(r"[\w.-]+", line))}


def imports(package: str) -> Iterator[tuple[str, str]]:
    """The name of each imported module outside the standard library and the project, and the file that imports it."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            modules: list[str] = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            for module in {module.partition(".")[0] for module in modules} - OWN - sys.stdlib_module_names:
                yield module, str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("core", ("export", "parquet", "encoders")),
        ("tui", ()),
        ("tests", ("export", "parquet", "encoders", "dev")),
        ("benchmarks", ("export", "parquet", "encoders", "bench")),
        ("tools", ()),
    ],
)
def test_what_is_imported_is_declared(package: str, extras: tuple[str, ...]) -> None:
    declared = names([*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra]), FROM_TORCH])
    distributions = packages_distributions()
    undeclared = [
        f"{path} imports {module}"
        for module, path in imports(package)
        # An optional package may not be installed; most are named as their module.
        if not {normalised(name) for name in distributions.get(module, [module])} & declared
    ]
    assert undeclared == []


def test_every_dependency_has_a_lower_bound() -> None:
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    assert [line for line in lines if not re.search(r">=|==|^genre-tui\[", line)] == []
