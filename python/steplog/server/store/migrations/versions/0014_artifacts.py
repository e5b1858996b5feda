"""Artifacts: collections, versions, what they hold, who logged and used them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create their tables; a small content may stand among the stored ones."""
    op.add_column("blobs", sa.Column("content", sa.LargeBinary))
    _collections()
    _artifacts()
    _versions()
    _runs()


def _collections() -> None:
    op.create_table(
        "artifact_collections",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column(
            "project_id",
            sa.BigInteger,
            sa.ForeignKey("projects.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("type", sa.String(128), nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("next_version", sa.BigInteger, nullable=False, server_default="0"),
        sa.UniqueConstraint("project_id", "name"),
    )


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(128), nullable=False, unique=True),
        sa.Column(
            "project_id",
            sa.BigInteger,
            sa.ForeignKey("projects.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("sequence", sa.Text, nullable=False, server_default=""),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
        sa.Column("aliases", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("digest", sa.String(64), nullable=False, server_default=""),
        sa.Column("manifest", sa.String(64), nullable=False, server_default=""),
        sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("is_read", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("same_as", sa.BigInteger, sa.ForeignKey("artifacts.id", ondelete="SET NULL")),
        sa.Column("base", sa.Text, nullable=False, server_default=""),
        sa.Column("distributed", sa.String(128), nullable=False, server_default=""),
        sa.Column("is_final", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    op.create_index("artifacts_by_state", "artifacts", ["state", "distributed"])
    op.create_index("artifacts_by_name", "artifacts", ["project_id", "name", "digest"])
    op.create_index("artifacts_by_manifest", "artifacts", ["manifest"])
    op.create_index("artifacts_by_same_as", "artifacts", ["same_as"])
    op.create_table(
        "artifact_entries",
        _artifact(is_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, server_default=""),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("ref", sa.Text),
        sa.Column("extra", sa.Text),
    )
    op.create_index("entries_by_hash", "artifact_entries", ["sha256"])


def _versions() -> None:
    op.create_table(
        "artifact_memberships",
        sa.Column(
            "collection_id",
            sa.BigInteger,
            sa.ForeignKey("artifact_collections.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        _artifact(is_key=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("is_link", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("collection_id", "artifact_id"),
    )
    op.create_index("memberships_by_artifact", "artifact_memberships", ["artifact_id"])
    op.create_table(
        "artifact_aliases",
        sa.Column("collection_id", sa.BigInteger, primary_key=True),
        sa.Column("alias", sa.String(128), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id", "version"],
            ["artifact_memberships.collection_id", "artifact_memberships.version"],
            ondelete="CASCADE",
        ),
    )
    op.create_index("aliases_by_version", "artifact_aliases", ["collection_id", "version"])


def _runs() -> None:
    op.create_table(
        "artifact_uses",
        _run(),
        _artifact(is_key=True),
        sa.Column("how", sa.String(8), primary_key=True),
        sa.Column("use_as", sa.Text, nullable=False, server_default=""),
        sa.Column("wall", sa.BigInteger, nullable=False),
    )
    op.create_index("uses_by_artifact", "artifact_uses", ["artifact_id"])
    op.create_table(
        "artifact_requests",
        _run(),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("op", sa.Text, nullable=False),
        sa.Column("artifact", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False, server_default=""),
        sa.Column("aliases", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("use_as", sa.Text, nullable=False, server_default=""),
        sa.Column("wall", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("requests_by_state", "artifact_requests", ["state", "artifact"])


def _run() -> sa.Column[int]:
    key = sa.ForeignKey("runs.id", ondelete="CASCADE")
    return sa.Column("run_id", sa.BigInteger, key, primary_key=True)


def _artifact(*, is_key: bool) -> sa.Column[int]:
    key = sa.ForeignKey("artifacts.id", ondelete="CASCADE")
    return sa.Column("artifact_id", sa.BigInteger, key, primary_key=is_key, nullable=False)
