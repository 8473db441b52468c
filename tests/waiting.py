"""Waiting for a condition: the one place of the suite that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 180.0  # seconds for what takes one or two on a quiet machine


def until(condition: Callable[[], Any], what: str = "the condition", seconds: float = PATIENCE) -> float:
    """Wait until something is so, and return how long that took; ``AssertionError`` if it never is."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.01)
    return time.monotonic() - began
