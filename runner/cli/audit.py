"""`mprun audit`."""

from __future__ import annotations


def audit() -> None:
    """Not there yet."""
