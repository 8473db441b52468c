"""How far a visitor has come with the lessons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "6"
down_revision = "5"


def upgrade() -> None:
    op.create_table(
        "lessons",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("lesson", sa.String(64), primary_key=True),
        sa.Column("choice", sa.Integer, nullable=False),
        sa.Column("answered", sa.Double, nullable=False),
    )
