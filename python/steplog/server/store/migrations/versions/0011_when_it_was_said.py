"""When each word of a run's config, name, notes and tags was said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; of what is there the time is not known, and any later word counts."""
    op.add_column(
        "runs", sa.Column("said", sa.LargeBinary, nullable=False, server_default=sa.text("x''"))
    )
