"""Where the repository and the real audio are.

``GENRE_TUI_TEST_DATA`` names the folder of real music and feature archives; tests that need it are skipped without it.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("GENRE_TUI_TEST_DATA") or ROOT.parent / "shared" / "data")
GTZAN_MINI = DATA / "gtzan-mini" / "genres"
GTZAN_LOGMEL = DATA / "gtzan-logmel"
