"""How many records of each writer there are, and whether its points are to go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns; of the writers that are there the number is not known."""
    op.add_column("writers", sa.Column("records", sa.BigInteger))
    op.add_column(
        "writers", sa.Column("is_stale", sa.Boolean, nullable=False, server_default=sa.false())
    )
