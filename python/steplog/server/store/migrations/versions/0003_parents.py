"""The parent of a forked writer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; of the writers that are there nobody knows."""
    op.add_column("writers", sa.Column("parent", sa.String(63), nullable=False, server_default=""))
