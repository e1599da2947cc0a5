"""``doctor``: what this machine provides, and what to do about what is missing; ``config``: every setting explained."""

import argparse
import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from core.runs.lock import supports_locks
from core.util.text import printable
from tui.shell.printing import DONE, FAILED, print_data, print_json, print_lines, print_note
from tui.shell.settings import default_runs_dir, read_settings, settings_file, template

Status = Literal["ok", "note", "missing"]
ROOM_GIB = 2.0
"""Free space below which a disk is called nearly full: the largest network's checkpoints take as much."""


class Finding(NamedTuple):
    """``note`` means that something optional is missing."""

    verdict: Status
    what: str
    detail: str
    advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(args: argparse.Namespace) -> int:
    missing = False
    for check in CHECKS:
        for finding in _careful(check):
            missing = missing or finding.verdict == "missing"
            if args.json:
                print_json(finding._asdict())
            else:
                print_lines(_line(finding))
    return FAILED if missing else DONE


def _line(finding: Finding) -> str:
    advice = f"\n{'':20}→ {finding.advice}" if finding.advice else ""
    return f"{finding.verdict:<8}{finding.what:<12}{printable(finding.detail)}{advice}"


def _careful(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check that raises becomes a finding itself."""
    try:
        yield from check()
    except Exception as error:
        what = check.__name__.strip("_")
        yield Finding("missing", what, f"{type(error).__name__}: {error}", "install the project again with make run")


def _python() -> Iterator[Finding]:
    yield Finding(
        "ok", "python", f"{platform.python_version()} on {platform.platform(terse=True)}, {os.cpu_count()} cores"
    )


def _torch() -> Iterator[Finding]:
    import torch

    from core.training.loop.precision import triton_works
    from core.util.device import choose_device, device_name

    yield Finding("ok", "torch", f"{torch.__version__}, {torch.get_num_threads()} threads")
    device = choose_device("auto")
    if device.type == "cuda":
        for index in range(torch.cuda.device_count()):
            memory = torch.cuda.get_device_properties(index).total_memory / 2**30
            yield Finding("ok", "gpu", f"cuda:{index} {device_name(torch.device('cuda', index))}, {memory:.0f} GiB")
        yield from _nvml()
        if torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0):
            yield _kernels(triton_works(device))
    elif device.type == "mps":
        yield Finding("ok", "gpu", "mps, Apple silicon")
    elif Path("/dev/nvidiactl").exists():
        build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for the CPU only"
        advice = "install a CUDA build of PyTorch that the driver supports: https://pytorch.org/get-started"
        yield Finding("missing", "gpu", f"this PyTorch ({build}) cannot use the NVIDIA GPU", advice)
    else:
        advice = "training uses the CPU: the presets quick and best suit it, seed takes hours"
        yield Finding("note", "gpu", "none", advice)


def _kernels(work: bool) -> Finding:
    if work:
        return Finding("ok", "kernels", "Triton compiles the kernels of the reference networks")
    advice = "install gcc and Python's headers (python3-dev): seed_cnn then trains twice as fast"
    return Finding("note", "kernels", "Triton cannot compile the kernels of the reference networks", advice)


def _nvml() -> Iterator[Finding]:
    import pynvml

    try:
        pynvml.nvmlInit()
        yield Finding("ok", "nvml", f"driver {pynvml.nvmlSystemGetDriverVersion()}")
    except pynvml.NVMLError as error:
        yield Finding("note", "nvml", str(error), "the Watch screen cannot show the load and power of the GPU")


def _torchaudio() -> Iterator[Finding]:
    from core.features.torchaudio_import import torchaudio

    stand_in = not getattr(sys.modules.get("torchaudio._extension"), "_IS_TORCHAUDIO_EXT_AVAILABLE", False)
    note = ", without its compiled extension, which is not needed" if stand_in else ""
    yield Finding("ok", "torchaudio", f"{torchaudio.__version__}{note}")


def _decoders() -> Iterator[Finding]:
    import av
    import soundfile

    yield Finding(
        "ok",
        "soundfile",
        f"{soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}: au wav flac ogg aiff",
    )
    codecs = {"mp3": "mp3", "aac": "m4a aac", "opus": "opus", "wmav2": "wma"}
    absent = [files for codec, files in codecs.items() if codec not in av.codecs_available]
    have = " ".join(files for codec, files in codecs.items() if codec in av.codecs_available)
    version = ".".join(map(str, av.library_versions["libavcodec"]))
    detail = f"{av.__version__}, libavcodec {version}: {have}"
    advice = f"this build of PyAV cannot decode {' '.join(absent)}: install PyAV from PyPI" if absent else ""
    yield Finding("note" if absent else "ok", "pyav", detail, advice)


def _microphone() -> Iterator[Finding]:
    elsewhere = "listen to another machine with: arecord -f S16_LE -r 22050 | ssh BOX genre-tui listen --stdin"
    try:
        sounddevice = importlib.import_module("sounddevice")
    except OSError:
        yield Finding("note", "microphone", "PortAudio is not installed", f"apt install libportaudio2; or {elsewhere}")
        return
    inputs = [device["name"] for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
    if inputs:
        yield Finding("ok", "microphone", ", ".join(inputs))
    else:
        yield Finding("note", "microphone", "no input device", elsewhere)


def _terminal() -> Iterator[Finding]:
    term = os.environ.get("TERM", "")
    if not sys.stderr.isatty():
        yield Finding("note", "terminal", "no terminal", "the app needs one; runs, show and train work without")
        return
    size = shutil.get_terminal_size()
    colours = "truecolor" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256 colours or fewer"
    detail = f"{term or 'TERM is not set'}, {size.columns}×{size.lines}, {colours}"
    if term in ("", "dumb", "unknown"):
        yield Finding("missing", "terminal", detail, "set TERM to the type of the terminal, such as xterm-256color")
    elif "utf" not in (sys.stderr.encoding or "").lower():
        yield Finding("note", "terminal", f"{detail}, no UTF-8", "set LANG=C.UTF-8, or start the app with --ascii")
    elif size.columns < 80 or size.lines < 24:
        yield Finding("note", "terminal", detail, "80×24 or more shows everything")
    else:
        yield Finding("ok", "terminal", detail)


def _disk() -> Iterator[Finding]:
    from core.util.paths import cache_folder

    for what, folder in (("runs", default_runs_dir()), ("cache", cache_folder())):
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free / 2**30
        detail = f"{folder}, {free:.1f} GiB free"
        if not os.access(there, os.W_OK):
            variable = "GENRE_TUI_RUNS" if what == "runs" else "GENRE_TUI_CACHE"
            yield Finding("missing", what, f"{folder} cannot be written to", f"set {variable} to a folder of yours")
        elif free < ROOM_GIB:
            yield Finding(
                "note", what, detail, "make room: a run of the largest network takes 2 GiB for its checkpoints"
            )
        elif what == "runs" and not supports_locks(there):
            yield Finding(
                "note",
                what,
                f"{detail}, without locks (flock)",
                "one host should train there: a heartbeat replaces locks",
            )
        else:
            yield Finding("ok", what, detail)


CHECKS = (_python, _torch, _torchaudio, _decoders, _microphone, _terminal, _disk)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print a settings file in which every setting is explained and has its default; "
        f"the app reads {settings_file()}."
    )


def config(args: argparse.Namespace) -> int:
    from tui.app import all_bindings  # imports every screen
    from tui.shell.keymap import usable_keys

    known = all_bindings()
    print_data(template(known), end="")
    path = settings_file()
    if path.exists():
        settings, mistakes = read_settings(path)
        for mistake in [*mistakes, *usable_keys(settings.keys, known)[1]]:
            print_note(mistake)
        print_note(f"{path} is in effect")
    else:
        print_note(f"there is no settings file yet: mkdir -p {path.parent} && genre-tui config > {path}")
    return DONE
