"""What a Ray that a run starts for itself leaves behind, and who sees to it that it goes.

    run --pipe--> reaper: removes the folder once the run is over; if it was killed, it kills Ray before
     +--> Ray's processes --> workers --> what user code starts: all log in the folder

Ray's own processes notice only after half a minute, some never, that whoever started them was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.engines import ray_reaper

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = "mprun-ray-"
_LOCK: Final = "owner"
_REAPED_WITHIN_S: Final = 15.0


@contextlib.contextmanager
def own_ray() -> Iterator[str]:
    """A new folder for a Ray, which is to be stopped when this ends; then it is gone, also if this process is killed.

    Its name is short because sockets lie beneath it, whose paths the system limits to some 100 characters.
    """
    parent = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())  # noqa: S108 - see above
    _remove_the_forsaken(parent)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    lock = os.open(Path(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    reaper = subprocess.Popen(  # noqa: S603 - our own file, by this Python
        [sys.executable, "-I", "-S", ray_reaper.__file__, folder],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield folder
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            reaper.communicate(b"over", timeout=_REAPED_WITHIN_S)
        os.close(lock)


def _remove_the_forsaken(parent: Path) -> None:
    """Remove folders whose lock nobody holds: the kernel has let go of it when their owner died, and its reaper too."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # another's, or just being made
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
