"""When artifacts were logged, by whom, and when something of a writer's contents came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns; of what is there already the client's clock counts."""
    op.add_column("artifacts", sa.Column("run_id", sa.BigInteger))
    op.add_column(
        "artifacts", sa.Column("writer", sa.String(63), nullable=False, server_default="")
    )
    for table, column in (
        ("artifacts", "logged"),
        ("artifacts", "heard"),
        ("artifact_memberships", "logged"),
        ("artifact_aliases", "logged"),
        ("writers", "uploaded"),
        ("writers", "last_logged"),
    ):
        added = sa.Column(column, sa.BigInteger, nullable=False, server_default="0")
        op.add_column(table, added)
    op.create_index("artifacts_by_writer", "artifacts", ["run_id", "writer", "state"])
    _fill()


def _fill() -> None:
    op.execute(
        "UPDATE artifacts SET logged = created, run_id = (SELECT min(run_id) FROM artifact_uses"
        " WHERE artifact_id = artifacts.id AND how = 'logged')"
    )
    op.execute(
        "UPDATE artifact_memberships SET logged = (SELECT a.logged FROM artifacts a"
        " WHERE a.id = artifact_memberships.artifact_id)"
    )
    op.execute(
        "UPDATE artifact_aliases SET logged = (SELECT m.logged FROM artifact_memberships m"
        " WHERE m.collection_id = artifact_aliases.collection_id"
        " AND m.version = artifact_aliases.version)"
    )
