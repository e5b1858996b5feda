"""Lines of output that are left out, where it is too long."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the table; of no output that is there lines are left out."""
    op.create_table(
        "log_cuts",
        sa.Column(
            "run_id", sa.BigInteger, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("writer", sa.String(63), primary_key=True),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("behind", sa.BigInteger, nullable=False),
        sa.Column("wall", sa.BigInteger, nullable=False),
    )
