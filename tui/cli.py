"""The command line. Standard output is data, standard error is notes; a command is imported when it is called.

Exit status: 0 done; 1 some input failed; 2 wrong usage; 130 interrupted.
"""

import errno
import gc
import sys
from pathlib import Path

from core.util.errors import UserError
from core.util.text import printable
from tui.commands.parser import COMMANDS, build_parser
from tui.shell.printing import (
    DONE,
    FAILED,
    INTERRUPTED,
    USAGE,
    OutputError,
    UsageError,
    discard_output,
    flush_output,
    prepare_streams,
    print_line,
    print_note,
    print_notes,
)

LIGHT = (
    *(
        "attach",
        "runs",
        "show",
        "stop",
        "pause",
        "resume",
        "extend",
        "queue",
        "compare",
        "rename",
        "note",
        "tag",
        "pin",
    ),
    *("rm", "restore", "feed", "web", "config", "completion"),
)
"""Commands that do not load PyTorch into their own process."""
LEAST_MEMORY_GB = 1.2
REFUSED = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS)
"""Error numbers of a path that cannot be opened."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    prepare_streams()
    try:
        try:
            status = _run(sys.argv[1:] if argv is None else argv)
        except SystemExit as exit_:  # argparse has printed help or an error
            status = exit_.code if isinstance(exit_.code, int) else USAGE
        flush_output()
        return status
    except KeyboardInterrupt:
        print_note("genre-tui: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()  # the reader, such as head, has closed the pipe
        return DONE
    except Exception as error:
        if isinstance(error, OutputError):
            discard_output()
        print_note(f"genre-tui: {_sentence(error)}")
        return USAGE if isinstance(error, UsageError) else FAILED


def _run(arguments: list[str]) -> int:
    args = build_parser(arguments).parse(arguments)
    if args.version:
        print_line(f"genre-tui {_version()}")
        return DONE
    _check_current_folder()
    if args.command in (None, "attach"):
        gc.disable()  # nothing is garbage until the first screen is there, when the app enables it
    if args.command is None:
        from tui.launch import run_app
        from tui.shell.settings import default_runs_dir

        return run_app(args.runs or default_runs_dir(), ascii=args.ascii, theme=args.theme)
    if args.command not in LIGHT:
        _check_memory_limit()
    return COMMANDS[args.command].call(args)


def _check_current_folder() -> None:
    """
    Raises:
        UserError: it has been deleted; relative paths and PyTorch's libraries would fail with other reasons.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UserError("the current folder has been deleted: change to another, for example with cd") from None


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("genre-tui")
    except PackageNotFoundError:
        return "(not installed)"


def _sentence(error: Exception) -> str:
    """What went wrong, for the user; the traceback of an internal error goes to a log."""
    if isinstance(error, UserError):
        return str(error)
    if _is_out_of_memory(error):
        return f"not enough memory{_memory_limit()}: close other programs, raise the limit, or use smaller batches"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'while writing'}): make room and run the command again"
    if isinstance(error, OSError) and error.filename and error.errno in REFUSED:
        return f"{printable(str(error.filename))} cannot be used: {str(error.strerror).lower()}"
    return f"internal error: {type(error).__name__}: {' '.join(str(error).split())}; see {_log(error)}"


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: for Python, PyTorch, or the loader of a compiled library."""
    text = str(error).lower()
    phrases = ("cannot allocate memory", "can't allocate memory", "failed to map segment", "not enough memory")
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, ImportError | OSError | RuntimeError) and any(phrase in text for phrase in phrases))
        or (error.__cause__ is not None and _is_out_of_memory(error.__cause__))
    )


def _check_memory_limit() -> None:
    """Refuse a memory limit that is too low to load PyTorch: its C++ code would abort the process instead of raising.

    Raises:
        UserError: the limit on address space is below `LEAST_MEMORY_GB`.
    """
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY_GB * 1e9:
        raise UserError(f"not enough memory{_memory_limit()}: PyTorch needs {LEAST_MEMORY_GB:g} GB or more")


def _memory_limit() -> str:
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return "" if limit == resource.RLIM_INFINITY else f" within the limit of {limit / 1e9:.1f} GB (ulimit -v)"


def _log(error: Exception) -> str:
    """Append the traceback to a log; returns the path of the log."""
    import tempfile
    import time
    import traceback

    from tui.shell.terminal import log_path

    text = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(sys.argv)}\n{''.join(traceback.format_exception(error))}\n"
    for path in (log_path().with_name("errors.log"), Path(tempfile.gettempdir()) / "genre-tui-errors.log"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.write(text)
            return str(path)
        except OSError:
            continue  # a home that cannot be written to
    print_notes(text)
    return "the traceback above"


if __name__ == "__main__":
    sys.exit(main())
