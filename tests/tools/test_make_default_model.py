"""The tool that makes the model in the box says in a line what it cannot work with, before it trains."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.dataset.pack import import_archive

TOOL = Path(__file__).resolve().parents[2] / "tools" / "make_default_model.py"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    mel = np.random.default_rng(0).integers(0, 256, (4, 128, 60), dtype=np.uint8)
    np.savez(folder / "x.npz", X=mel, name=np.array(list("abcd")), genre=np.array(["x", "y"] * 2))
    (folder / "index.csv").write_text("name,artist,split\na,A,train\nb,B,train\nc,C,valid\nd,D,valid\n")
    import_archive(folder / "x.npz", folder / "pack", folder / "index.csv")
    return folder / "pack"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--only", "nosuch=1"],
            "The clips have no column 'nosuch': name one of artist, genre, split, or a column of a "
            "table, as TABLE.csv:COLUMN.",
        ),
        (["--only", "split=nosuch"], "No clip has 'nosuch' in the column split: it has train (2), valid (2)."),
        (["--only", "split"], "--only takes COLUMN=VALUE, not 'split'."),
        (["--card", "/nosuch/card.md"], "There is no folder /nosuch to write card.md into."),
        ([], "5 folds need as many groups, and there are 4."),
    ],
)
def test_a_wrong_option_is_reported_in_a_line(options: list[str], sentence: str, pack: Path, tmp_path: Path) -> None:
    assert told(pack, *options, "--out", str(tmp_path / "x.pth")) == f"make_default_model.py: {sentence}\n"


def test_a_missing_folder_is_reported_in_a_line(tmp_path: Path) -> None:
    out = str(tmp_path / "x.pth")
    sentence = f"make_default_model.py: There is no folder or archive {tmp_path}/nosuch.\n"
    assert told(tmp_path / "nosuch", "--out", out) == sentence


def told(pack: Path, *options: str) -> str:
    """Standard error of the tool, which fails."""
    command = [sys.executable, str(TOOL), str(pack), *options]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=TOOL.parents[1], check=False)
    assert finished.returncode == 1, finished.stderr
    return finished.stderr
