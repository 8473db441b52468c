"""Who this process is, and of another one whether it lives and how much of a core it gets.

A pid is used again, a pid with its start time is not.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from pathlib import Path


def this_process() -> str:
    """``host:pid:start``, of which the start is that of :func:`_started`, and left out where the system hides it."""
    start = _started(os.getpid())
    return f"{socket.gethostname()}:{os.getpid()}" + (f":{start}" if start else "")


def place(process: str | None) -> tuple[str, int] | None:
    """Host and pid of a process named by :func:`this_process`; None for what is no such name."""
    host, _, number = (process or "").partition(":")
    pid = number.partition(":")[0]
    return (host, int(pid)) if host and pid.isdecimal() else None


def said_place(process: str | None) -> str | None:
    """The same in words."""
    found = place(process)
    return f"process {found[1]} on {found[0]}" if found else None


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


def core_time(process: str | None) -> tuple[float, float] | None:
    """Seconds that its main thread had a core, and that it was ready and waited for one; None where not known."""
    if process is None or not lives(process):
        return None
    try:
        had, waited, _ = Path(f"/proc/{process.rsplit(':', 2)[1]}/schedstat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(had) / 1e9, int(waited) / 1e9


class CoreShare:
    """Of the time for which a process wanted a core, the share for which it had one, over the last seconds.

    It says how much slower a process that only computes is than on an idle machine; a paused one wants no core.
    """

    def __init__(self, process: str | None, seconds: float = 10.0, least: float = 2.0) -> None:
        self.process, self.seconds, self.least = process, seconds, least
        self.readings: deque[tuple[float, float, float]] = deque()  # time, had, waited

    def look(self) -> float | None:
        """The share; None while fewer than ``least`` seconds are known of."""
        times = core_time(self.process)
        if times is None:
            return None
        now = time.monotonic()
        self.readings.append((now, *times))
        while len(self.readings) > 2 and self.readings[1][0] <= now - self.seconds:
            self.readings.popleft()
        had, waited = (last - first for first, last in zip(self.readings[0][1:], times, strict=True))
        return had / (had + waited) if had + waited >= self.least else None
