"""Kinds of queue, as far as the config has to tell them apart."""

from __future__ import annotations

from typing import Final

LOCK_BASED: Final = ("multiprocessing.Queue", "multiprocessing.SimpleQueue", "multiprocessing.Manager")
"""Kinds whose workers share locks: who dies holding one leaves it locked, and nothing can be repaired."""
