"""Large files: their hashes, which contents are stored, and which nobody may name any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add them; of the files that are there the hash is computed when they are first read."""
    op.add_column("files", sa.Column("sha256", sa.String(64), nullable=False, server_default=""))
    op.add_column("files", sa.Column("size", sa.BigInteger))
    op.create_index("files_by_hash", "files", ["sha256"])
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "loose_blobs",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("due", sa.BigInteger, nullable=False),
    )
