"""Runs are found by their settings, and what they take is kept once they have ended."""

from __future__ import annotations

import contextlib
import json

import sqlalchemy as sa
from alembic import op

from mmcore.config import RunConfig
from mmcore.store.digest import digests

revision = "4"
down_revision = "3"


def upgrade() -> None:
    for name in ("config_digest", "split_digest"):
        op.add_column("runs", sa.Column(name, sa.String(64)))
    _write_digests()
    for name in ("config_digest", "corpus_sha256", "created"):
        op.create_index(f"ix_runs_{name}", "runs", [name])
    op.create_index("ix_runs_owner", "runs", ["owner", "state", "started"])
    op.add_column("runs", sa.Column("stored", sa.BigInteger))
    op.execute(STORED)


def _write_digests() -> None:
    names = ("id", "config", "config_digest", "split_digest")
    runs = sa.table("runs", *(sa.column(name, sa.String) for name in names))
    db = op.get_bind()
    for run_id, text in db.execute(sa.select(runs.c.id, runs.c.config)).all():
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):  # a run that cannot be read
            found = digests(RunConfig.from_dict(json.loads(text)))
            db.execute(sa.update(runs).where(runs.c.id == run_id).values(found))


# The bytes of its weights and training states, and 1,000 a checkpoint; 8 numbers a point of the curve; its samples.
STORED = """
UPDATE runs SET stored = (
    SELECT coalesce(sum(coalesce(length(weights), 0) + coalesce(length(train_state), 0) + 1000), 0)
    FROM checkpoints WHERE run_id = runs.id
) + (
    SELECT 56 * count(*) FROM steps WHERE run_id = runs.id
) + (
    SELECT coalesce(sum(length(words)), 0) FROM samples WHERE run_id = runs.id
)
WHERE ended IS NOT NULL
"""
