"""Tags: short words that visitors give to runs, to find them by. Inside a transaction."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .bin import KEPT
from .locks import locking
from .run import no_run
from .schema import RUNS, TAGS

MAX_TAG = 40  # characters
OF_RUN = sa.select(sa.func.aggregate_strings(TAGS.c.tag, ",")).where(TAGS.c.run_id == RUNS.c.id).scalar_subquery()
"""A run's tags with commas between, in any order; none if it has none."""


def clean_tag(tag: str) -> str:
    """A tag as it is kept; ``ValueError`` if it is none."""
    cleaned = " ".join(tag.split())
    if not 1 <= len(cleaned) <= MAX_TAG:
        raise ValueError(f"tag must have 1 to {MAX_TAG} characters, got {len(cleaned):,}")
    if "," in cleaned:
        raise ValueError(f"tag must be without commas, got {cleaned!r}")
    return cleaned


def add(db: Connection, run_ids: Collection[str], tag: str) -> None:
    """Give runs a tag; those that have it keep it. ``ValueError`` and none given where one is not in the store."""
    known = set(db.scalars(locking(sa.select(RUNS.c.id).where(RUNS.c.id.in_(run_ids), KEPT))))
    for run_id in run_ids:
        if run_id not in known:
            raise no_run(run_id)
    have = set(db.scalars(sa.select(TAGS.c.run_id).where(TAGS.c.run_id.in_(run_ids), TAGS.c.tag == tag)))
    if known - have:
        db.execute(sa.insert(TAGS), [{"run_id": run_id, "tag": tag} for run_id in sorted(known - have)])


def counts(db: Connection) -> dict[str, int]:
    """Every tag and how many runs outside the bin have it, in the order of the alphabet."""
    count = sa.select(TAGS.c.tag, sa.func.count()).join(RUNS).where(KEPT).group_by(TAGS.c.tag)
    return dict(sorted((tag, number) for tag, number in db.execute(count)))
