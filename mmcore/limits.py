"""What one visitor of a server may have waiting and keep. Who has no owner, as on the command line, has no limits.

Each limit can be set in the environment: ``MMCORE_MAX_WAITING``, ``MMCORE_MAX_CORPORA``, ``MMCORE_MAX_STORED_MB``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from .cost import amount
from .fields import require

MAX_NAME = 200  # characters of a run's name
MAX_NOTE = 2_000  # of its note
MAX_OWNER = 255  # of what stands for a visitor


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of each visitor."""

    waiting: int = 40  # runs in the queue, of which a sweep has only a few at a time
    corpora: int = 20
    stored_mb: int = 2_000  # of the corpora and runs, in units of 10**6 bytes

    @classmethod
    def of_environment(cls) -> Limits:
        """The defaults, and what the environment has instead; ``ValueError`` for what is no number."""
        defaults = cls()
        return cls(**{name: _number(f"MMCORE_MAX_{name.upper()}", most) for name, most in vars(defaults).items()})


def _number(name: str, default: int) -> int:
    value = os.environ.get(name) or str(default)
    require(value.isdecimal() and int(value) >= 1, name, "a whole number from 1", value)
    return int(value)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one visitor has."""

    waiting: int  # runs in the queue
    corpora: int
    stored: int  # bytes of the corpora and runs; of runs that have not ended, what they will have

    def check(self, *, waiting: int = 0, corpora: int = 0, stored: int = 0) -> None:
        """``ValueError`` with the limit and what to do if so much more would be too much."""
        limits, most_bytes = Limits.of_environment(), Limits.of_environment().stored_mb * 10**6
        _within(self.waiting, waiting, limits.waiting, "waiting runs", str, "let some end, or stop them")
        _within(self.corpora, corpora, limits.corpora, "corpora", str, "delete one that has no runs")
        _within(self.stored, stored, most_bytes, "room for runs and corpora", amount, "delete some and empty the bin")

    def said(self) -> dict[str, str]:
        """Each count beside its limit, in words."""
        limits = Limits.of_environment()
        return {
            "waiting": f"{self.waiting:,} of {limits.waiting:,} waiting runs",
            "corpora": f"{self.corpora:,} of {limits.corpora:,} corpora",
            "stored": f"{amount(self.stored)} of {amount(limits.stored_mb * 10**6)} for runs and corpora",
        }


def _within(has: int, more: int, most: int, what: str, said: Callable[[int], str], remedy: str) -> None:
    if more and has + more > most:
        rule = f"{what} must be at most {said(most)} for one visitor"
        raise ValueError(f"{rule}, got {said(has)} and {said(more)} more: {remedy}")
