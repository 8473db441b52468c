"""Checkpoints along the way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    op.add_column("runs", sa.Column("checkpoints", sa.Integer))
    op.add_column("checkpoints", sa.Column("updates", sa.Text))
