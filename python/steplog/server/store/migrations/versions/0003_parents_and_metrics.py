"""The parent of a forked writer, preemption, and the metric definitions of a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; of the writers and runs that are there nothing is known."""
    op.add_column("writers", sa.Column("parent", sa.String(63), nullable=False, server_default=""))
    preempting = sa.Column("preempting", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("writers", preempting)
    op.add_column("runs", sa.Column("metrics", sa.JSON, nullable=False, server_default="[]"))
