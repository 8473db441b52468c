"""When the test losses were first opened, what kind of error ended a run, who added a corpus."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    op.add_column("runs", sa.Column("test_opened", sa.Double))
    op.add_column("runs", sa.Column("error_type", sa.String(64)))
    op.add_column("corpora", sa.Column("owner", sa.String(255)))
    runs = sa.table("runs", sa.column("error", sa.Text), sa.column("error_type", sa.String))
    diverged = runs.c.error.like("The loss was no longer a finite number%")  # until then only its words told
    op.execute(sa.update(runs).where(diverged).values(error_type="TrainingDiverged"))
