"""The first tables: corpora and runs, with their curves, samples and weights."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    op.create_table("schema_version", sa.Column("version", sa.Integer, nullable=False))
    _create_corpora_and_runs()
    op.create_index("ix_runs_state", "runs", ["state"])
    numbers = ("batch_loss", "train_loss", "val_loss", "val_loss_unseen", "learning_rate", "seconds")
    _create_of_run("steps", _step(), *(sa.Column(name, sa.Double) for name in numbers))
    _create_of_run("samples", _step(), sa.Column("words", sa.Text, nullable=False))
    blobs = (sa.Column(name, sa.LargeBinary) for name in ("weights", "train_state"))
    _create_of_run("checkpoints", sa.Column("kind", sa.String(16), primary_key=True), _step(), *blobs)


def _create_corpora_and_runs() -> None:
    op.create_table(
        "corpora",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("corpus_sha256", sa.String(64), sa.ForeignKey("corpora.sha256"), nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("error", sa.Text),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("queued", sa.Double, nullable=False),
        *(sa.Column(name, sa.Double) for name in ("started", "ended", "heartbeat", "lease_until")),
        sa.Column("token", sa.String(64)),
        sa.Column("worker", sa.String(255)),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("batch_loss", sa.Double),
        sa.Column("losses", sa.Text, nullable=False),
        sa.Column("weights_step", sa.Integer),
        sa.Column("test_openings", sa.Integer, nullable=False),
    )


def _create_of_run(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(name, sa.Column("run_id", sa.String(32), _of_run(), primary_key=True), *columns)


def _of_run() -> sa.ForeignKey:
    return sa.ForeignKey("runs.id", ondelete="CASCADE")


def _step() -> sa.Column[int]:
    return sa.Column("step", sa.Integer, primary_key=True, autoincrement=False)
