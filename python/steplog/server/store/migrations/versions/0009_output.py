"""What writers have printed: the lines that may still change, and how many there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column; writers that are there have printed nothing that was taken."""
    op.add_column(
        "writers",
        sa.Column("console", sa.LargeBinary, nullable=False, server_default=sa.text("x''")),
    )
