"""Sweeps, tags, branches, and a bin for what was deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"


def upgrade() -> None:
    op.add_column("runs", sa.Column("deleted", sa.Double))
    op.add_column("runs", sa.Column("parent", sa.String(32)))
    op.create_index("ix_runs_parent", "runs", ["parent"])
    op.create_table("tags", _key("run_id", "runs.id"), sa.Column("tag", sa.String(64), primary_key=True))
    op.create_index("ix_tags_tag", "tags", ["tag"])
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("corpus_sha256", sa.String(64), sa.ForeignKey("corpora.sha256"), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_index("ix_sweeps_state", "sweeps", ["state"])
    op.create_table("sweep_runs", _key("sweep_id", "sweeps.id"), _key("run_id", "runs.id"))
    op.create_index("ix_sweep_runs_run_id", "sweep_runs", ["run_id"])


def _key(name: str, of: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(32), sa.ForeignKey(of, ondelete="CASCADE"), primary_key=True)
