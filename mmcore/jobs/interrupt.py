"""Ctrl-C as a wish that is looked at, rather than an error raised in the midst of anything."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def ctrl_c(begun: threading.Event | None = None) -> Iterator[threading.Event]:
    """The first Ctrl-C sets an event; the second interrupts as usual, and so does any while nothing has `begun`."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread may handle signals
        return
    usual = signal.getsignal(signal.SIGINT)

    def first(number: int, frame: FrameType | None) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, usual)
        if begun and not begun.is_set():
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, usual)
