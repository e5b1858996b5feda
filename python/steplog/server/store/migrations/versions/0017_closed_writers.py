"""Whether a writer's whole log has come, also without an exit record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column; of the writers that are there it is not known."""
    op.add_column(
        "writers", sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false())
    )
