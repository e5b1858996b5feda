"""Attempts of a run, which mask what earlier ones have behind their first step, and forks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns; a writer that is there has come as far as its run, for all that is known."""
    resumed = sa.Column("resumed", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("writers", resumed)
    op.add_column("writers", sa.Column("follows", sa.JSON, nullable=False, server_default="[]"))
    last_step = sa.Column("last_step", sa.BigInteger, nullable=False, server_default="-1")
    op.add_column("writers", last_step)
    op.execute(
        "UPDATE writers SET last_step ="
        " (SELECT runs.last_step FROM runs WHERE runs.id = writers.run_id)"
    )
    op.add_column(
        "runs", sa.Column("forked_run", sa.String(128), nullable=False, server_default="")
    )
    forked_step = sa.Column("forked_step", sa.BigInteger, nullable=False, server_default="-1")
    op.add_column("runs", forked_step)
