"""Importing torchaudio with any build of torch, even one for which its compiled extension was not built.

torchaudio 2.11 links its extension to one CUDA version; with a CPU build of torch or another CUDA version the import
raises. Only functions in plain Python on top of torch are used here, so a stand-in for the extension is enough.
Import it from here: ``from core.features.torchaudio_import import torchaudio``.
"""

import sys
import types


def _stand_in() -> types.ModuleType:
    """A ``torchaudio._extension`` without compiled functions."""
    module = types.ModuleType("torchaudio._extension")
    module.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _check_cuda_version=lambda: None,
        fail_if_no_align=_unavailable,
    )
    return module


def _unavailable(function: object) -> object:
    """Decorator for functions that need the extension: calling them raises."""

    def missing(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("torchaudio's compiled extension does not match this build of torch")

    return missing


try:
    import torchaudio
except (OSError, RuntimeError):
    for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules["torchaudio._extension"] = _stand_in()
    import torchaudio

__all__ = ["torchaudio"]
