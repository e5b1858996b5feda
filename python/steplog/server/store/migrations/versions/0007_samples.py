"""How far samples of the system have come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column: nobody has sent any yet."""
    op.add_column(
        "writers", sa.Column("last_sample", sa.BigInteger, nullable=False, server_default="0")
    )
