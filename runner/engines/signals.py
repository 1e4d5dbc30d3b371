"""Signals to the supervisor: SIGINT, SIGTERM and SIGHUP become facts its loop looks at."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType


class Signals:
    """Collects signals while it is entered, in the main thread; elsewhere it collects none.

    Attributes:
        descriptor: Readable when a signal has arrived; -1 outside the main thread.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        self.descriptor = -1
        self._write_end = -1
        self._previous: dict[int, Any] = {}
        self._previous_wakeup = -1

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.descriptor, self._write_end = os.pipe()
            os.set_blocking(self.descriptor, False)
            os.set_blocking(self._write_end, False)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
            if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
                # As a parent may leave it: the kernel would bury our children, and nobody learn how they ended.
                self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._previous_wakeup = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        return self

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._received.append(number)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors a forked worker has to close."""
        return () if self.descriptor < 0 else (self.descriptor, self._write_end)

    def fresh(self) -> list[int]:
        """The signals that have arrived since the last call, in order."""
        if self.descriptor >= 0:
            with contextlib.suppress(BlockingIOError):
                os.read(self.descriptor, 4096)
        received, self._received = self._received, []
        return received

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.descriptor < 0:
            return
        signal.set_wakeup_fd(self._previous_wakeup)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        os.close(self.descriptor)
        os.close(self._write_end)
