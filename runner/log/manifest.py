"""The manifest: what ran, where and with what, so that a run can be judged and repeated later."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = ("mprun", "msgspec", "pydantic", "pyyaml", "rich", "structlog", "typer")
_GIT_PATIENCE_S: Final = 2


def manifest(run: str, start_method: str, command_line: list[str], overrides: dict[str, Any]) -> dict[str, Any]:
    """Describe the run that is about to start, on this machine.

    Args:
        run: Its name.
        start_method: How workers are started.
        command_line: As the user typed it, or the script that called the API.
        overrides: What was set beside the config file.
    """
    return {
        "run": run,
        "status": "running",
        "exit_code": None,
        "started": datetime.now(UTC).isoformat(timespec="microseconds"),
        "start_method": start_method,
        "command_line": command_line,
        "overrides": overrides,
        "versions": {"python": platform.python_version(), **_versions()},
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "host": platform.node(),
        "pid": os.getpid(),
        "cpu": {"model": _cpu_model(), "cores": os.cpu_count(), "usable": _usable_cores()},
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "git": _git_state(),
    }


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def _cpu_model() -> str | None:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(names, None)
    except OSError:
        return platform.processor() or None


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _git_state() -> dict[str, Any] | None:
    """Commit of the working directory and whether it has changes; None outside a checkout or without git."""
    try:
        status = subprocess.run(
            ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"],  # noqa: S607 - whichever git
            capture_output=True, text=True, timeout=_GIT_PATIENCE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if status.returncode:
        return None
    lines = status.stdout.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), None)
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in lines)}
