"""Runs to be compared: how many at most, and the address of the page that shows them."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 20


def query(run_ids: Iterable[str]) -> dict[str, str]:
    """What an address of the page says after the question mark."""
    return {"runs": ",".join(run_ids)}
