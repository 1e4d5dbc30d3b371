"""`mprun runs`."""

from __future__ import annotations


def runs() -> None:
    """Not there yet."""
