"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _run_id(*, primary_key: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey("runs.id", ondelete="CASCADE")
    return sa.Column("run_id", sa.BigInteger, key, primary_key=primary_key, nullable=False)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "server",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("server_id", sa.String(32), nullable=False),
    )
    op.create_table(
        "projects",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("entity", sa.String(128), nullable=False),
        sa.Column("project", sa.String(128), nullable=False),
        sa.UniqueConstraint("entity", "project"),
    )
    op.create_table(
        "runs",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("project_id", sa.BigInteger, sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("run", sa.String(128), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "notes")),
        sa.Column("tags", sa.JSON, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("group_name", "job_type")),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("exit_code", sa.BigInteger),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("created", "updated", "records", "last_step")
        ),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("config", "summary")),
        sa.UniqueConstraint("project_id", "run"),
        sqlite_autoincrement=True,
    )
    op.create_index("runs_by_created", "runs", ["project_id", "created"])
    op.create_table(
        "writers",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        _run_id(),
        sa.Column("writer", sa.String(63), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("start_step", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("exit_code", sa.BigInteger),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("seen", "acknowledged", "last_point", "last_patch")
        ),
        sa.Column("summary", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("run_id", "writer"),
    )
    op.create_index("writers_by_state", "writers", ["state", "seen"])
    op.create_table(
        "keys",
        _run_id(primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("kinds", sa.Integer, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "run_values",
        _run_id(primary_key=True),
        sa.Column("section", sa.String(8), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("number", sa.Double),
        sa.Column("text", sa.Text),
    )
    op.create_index("values_by_key", "run_values", ["section", "key"])
    op.create_table("deleted_runs", sa.Column("run_id", sa.BigInteger, primary_key=True))
    op.create_table(
        "api_keys",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
