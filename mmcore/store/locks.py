"""Who waits for whom where several write at once, on PostgreSQL: SQLite has one writer at a time anyway.

Rows are locked until the transaction ends, always in the same order, so that no two wait for each other: a sweep, its
corpus, runs by their ids. What belongs to a run is written by whoever has locked the run.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from .schema import CORPORA, RUNS


def locking(query: sa.Select[Any]) -> sa.Select[Any]:
    """A query of runs that locks those it finds, for whoever changes several."""
    return query.order_by(RUNS.c.id).with_for_update()


def keeping(query: sa.Select[Any]) -> sa.Select[Any]:
    """A query of a corpus that nobody deletes meanwhile; others may keep it too."""
    return query.with_for_update(read=True, key_share=True, of=CORPORA)
