"""Who this process is, and whether another one lives: a pid is used again, a pid with its start time is not."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_process() -> str:
    """``host:pid:start``, of which the start is that of :func:`_started`, and left out where the system hides it."""
    start = _started(os.getpid())
    return f"{socket.gethostname()}:{os.getpid()}" + (f":{start}" if start else "")


def lives(process: str | None) -> bool:
    """Whether a process named by :func:`this_process` is known to live; False for what this host cannot know."""
    host, _, rest = (process or "").rpartition(":")
    host, _, pid = host.rpartition(":")
    return bool(host) and host == socket.gethostname() and pid.isdecimal() and _started(int(pid)) == rest


def _started(pid: int) -> str:
    """A process's start in clock ticks since boot; empty if it has ended, or where there is no ``/proc``."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]  # fields 3 and 22 of proc_pid_stat(5)
