"""The tables of artifacts; the migrations bring a database to them."""

from __future__ import annotations

import sqlalchemy as sa

from steplog.server.store.tables import METADATA, ROW_ID

COLLECTIONS = sa.Table(
    "artifact_collections",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("type", sa.String(128), nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("created", sa.BigInteger, nullable=False),  # nanoseconds of the server's clock
    sa.Column("updated", sa.BigInteger, nullable=False),
    # The number that its next version gets: that of a deleted one is never given again.
    sa.Column("next_version", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("project_id", "name"),
)

# Every artifact that was logged, also one that became none: its id must not be taken twice.
ARTIFACTS = sa.Table(
    "artifacts",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(128), nullable=False, unique=True),  # the id that its record says
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("sequence", sa.Text, nullable=False, server_default=""),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("metadata", sa.LargeBinary, nullable=False),  # exact msgpack
    sa.Column("aliases", sa.JSON, nullable=False, server_default="[]"),  # that it is to get
    sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("digest", sa.String(64), nullable=False, server_default=""),
    # The content that lists its entries; empty: it was put together from several.
    sa.Column("manifest", sa.String(64), nullable=False, server_default=""),
    sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created", sa.BigInteger, nullable=False),  # nanoseconds of the client's clock
    # When it was logged: the client's clock, but never later than it came, and of one writer each
    # later than the one before.
    sa.Column("logged", sa.BigInteger, nullable=False, server_default="0"),
    # Whose log it was first in; the run may be gone. Empty: not known.
    sa.Column("run_id", sa.BigInteger),
    sa.Column("writer", sa.String(63), nullable=False, server_default=""),
    # When its record came, or its writer's log began to be taken anew: the server's clock.
    sa.Column("heard", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    # Whether its entries are those of its manifest, all of them.
    sa.Column("is_read", sa.Boolean, nullable=False, server_default=sa.false()),
    # The version whose name it became, since that has the same digest, or it is a part of it.
    sa.Column("same_as", sa.ForeignKey("artifacts.id", ondelete="SET NULL")),
    sa.Column("base", sa.Text, nullable=False, server_default=""),  # what its entries add to
    sa.Column("distributed", sa.String(128), nullable=False, server_default=""),
    sa.Column("is_final", sa.Boolean, nullable=False, server_default=sa.false()),
    sqlite_autoincrement=True,
)

# The versions of collections: of the one that it was logged to, and of those it was linked to.
MEMBERSHIPS = sa.Table(
    "artifact_memberships",
    METADATA,
    sa.Column(
        "collection_id",
        sa.ForeignKey("artifact_collections.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("artifact_id", sa.ForeignKey("artifacts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),  # nanoseconds of the server's clock
    sa.Column("is_link", sa.Boolean, nullable=False, server_default=sa.false()),
    # When it was logged or linked here, as `logged` of artifacts.
    sa.Column("logged", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("collection_id", "artifact_id"),
)

ALIASES = sa.Table(
    "artifact_aliases",
    METADATA,
    sa.Column("collection_id", sa.BigInteger, primary_key=True),
    sa.Column("alias", sa.String(128), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    # When what it points to was logged with it, or somebody let it point there.
    sa.Column("logged", sa.BigInteger, nullable=False, server_default="0"),
    sa.ForeignKeyConstraint(
        ["collection_id", "version"],
        ["artifact_memberships.collection_id", "artifact_memberships.version"],
        ondelete="CASCADE",
    ),
)

# What pending and committed artifacts name: it is kept for their sake.
ENTRIES = sa.Table(
    "artifact_entries",
    METADATA,
    sa.Column("artifact_id", sa.ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False, server_default=""),  # empty: a reference
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("ref", sa.Text),
    sa.Column("extra", sa.Text),  # JSON
)

# Which run logged or used which artifact.
USES = sa.Table(
    "artifact_uses",
    METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("artifact_id", sa.ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("how", sa.String(8), primary_key=True),
    sa.Column("use_as", sa.Text, nullable=False, server_default=""),
    sa.Column("wall", sa.BigInteger, nullable=False),  # nanoseconds of the client's clock
)

# What logs ask for, apart from new artifacts: it waits for its artifact, is done, or refused.
REQUESTS = sa.Table(
    "artifact_requests",
    METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),  # the same when its record is taken again
    sa.Column("op", sa.Text, nullable=False),
    sa.Column("artifact", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False, server_default=""),
    sa.Column("aliases", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("use_as", sa.Text, nullable=False, server_default=""),
    sa.Column("wall", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)

sa.Index("artifacts_by_state", ARTIFACTS.c.state, ARTIFACTS.c.distributed)
sa.Index("artifacts_by_name", ARTIFACTS.c.project_id, ARTIFACTS.c.name, ARTIFACTS.c.digest)
sa.Index("artifacts_by_writer", ARTIFACTS.c.run_id, ARTIFACTS.c.writer, ARTIFACTS.c.state)
sa.Index("artifacts_by_manifest", ARTIFACTS.c.manifest)
sa.Index("artifacts_by_same_as", ARTIFACTS.c.same_as)
sa.Index("memberships_by_artifact", MEMBERSHIPS.c.artifact_id)
sa.Index("aliases_by_version", ALIASES.c.collection_id, ALIASES.c.version)
sa.Index("entries_by_hash", ENTRIES.c.sha256)
sa.Index("uses_by_artifact", USES.c.artifact_id)
sa.Index("requests_by_state", REQUESTS.c.state, REQUESTS.c.artifact)

__all__ = [
    "ALIASES",
    "ARTIFACTS",
    "COLLECTIONS",
    "ENTRIES",
    "MEMBERSHIPS",
    "REQUESTS",
    "USES",
]
