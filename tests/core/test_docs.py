"""What the documentation shows is what happens."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["python.md"])
def test_the_examples_of(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    failed, tried = doctest.testfile(str(DOCS / page), module_relative=False)
    assert tried > 20
    assert failed == 0
