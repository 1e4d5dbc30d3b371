"""The command line: the only room that prints, catches and exits.

This file is all that `mprun --version` loads; a command's own imports stand inside its function.
"""

from __future__ import annotations

import gc
import os
import sys

from runner.standard import open_standard_streams


def main() -> int:
    """Do what the process's command line says; returns the exit code (see `runner.errors.ExitCode`)."""
    if os.name != "posix":
        sys.stderr.write("mprun: needs Linux or another POSIX system; on Windows, run it inside WSL\n")
        return 2
    open_standard_streams()
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from runner import __version__

        sys.stdout.write(f"mprun {__version__}\n")
        code = 0
    else:
        code = _execute(arguments)
    return _flushed(code)


def _execute(arguments: list[str]) -> int:
    # What start-up makes lives to the end: looking for garbage in it would cost a tenth of the time. A run turns
    # the collector on again before its workers start.
    gc.disable()
    try:
        from runner.cli.app import execute

        return execute(arguments)
    except KeyboardInterrupt:
        return 130


def _flushed(code: int) -> int:
    """The exit code, once nothing is left that the interpreter would complain about when it cannot be written."""
    if "signal" in sys.modules:
        import signal

        try:  # noqa: SIM105 - --version should not pay for contextlib
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said; a late Ctrl-C would change the exit code
        except ValueError:  # a thread of somebody's calls this
            pass
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    gc.freeze()  # the interpreter's last search for garbage takes a tenth of a second, and the system takes it all
    return code
