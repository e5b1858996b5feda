"""When a writer began and was last heard of by its own clock: who came after whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; of the writers that are there it is not known."""
    for name in ("first_wall", "last_wall"):
        op.add_column("writers", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
