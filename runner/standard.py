"""The three standard streams: there, whatever this process was started with."""

from __future__ import annotations

import os
import sys


def open_standard_streams() -> None:
    """Put /dev/null in the place of standard streams that are closed: the next file opened would get their number."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            break
        os.set_inheritable(descriptor, True)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for the process's life
