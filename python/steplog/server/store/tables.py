"""The tables of the metadata store; the migrations bring a database to them."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

# SQLite counts rows by itself only in a column that is INTEGER, not BIGINT.
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SERVER = sa.Table(
    "server",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server_id", sa.String(32), nullable=False),
)

PROJECTS = sa.Table(
    "projects",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("entity", sa.String(128), nullable=False),
    sa.Column("project", sa.String(128), nullable=False),
    sa.UniqueConstraint("entity", "project"),
)

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("project_id", sa.ForeignKey("projects.id"), nullable=False),
    sa.Column("run", sa.String(128), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("group_name", sa.Text, nullable=False),
    sa.Column("job_type", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("exit_code", sa.BigInteger),
    sa.Column("created", sa.BigInteger, nullable=False),  # nanoseconds of the client's clock
    sa.Column("updated", sa.BigInteger, nullable=False),  # likewise: the last record's
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False, server_default="[]"),
    # What it is a fork of, behind which step; empty: of nothing.
    sa.Column("forked_run", sa.String(128), nullable=False, server_default=""),
    sa.Column("forked_step", sa.BigInteger, nullable=False, server_default="-1"),
    sa.Column("config", sa.LargeBinary, nullable=False),  # exact msgpack
    sa.Column("summary", sa.LargeBinary, nullable=False),
    # Of each word of config and facts its attempt and time: whoever comes last may be late.
    sa.Column("said", sa.LargeBinary, nullable=False, server_default=sa.text("x''")),
    sa.UniqueConstraint("project_id", "run"),
    # A number is never given twice: points of a deleted run must not meet a new one.
    sqlite_autoincrement=True,
)

WRITERS = sa.Table(
    "writers",
    METADATA,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("writer", sa.String(63), nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("parent", sa.String(63), nullable=False, server_default=""),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("resumed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("follows", sa.JSON, nullable=False, server_default="[]"),  # writers
    sa.Column("start_step", sa.BigInteger, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False, server_default="-1"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("exit_code", sa.BigInteger),
    sa.Column("preempting", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("seen", sa.BigInteger, nullable=False),  # nanoseconds of the server's clock
    # Of its own clock: its start and its newest record; 0 where that is not known.
    sa.Column("first_wall", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_wall", sa.BigInteger, nullable=False, server_default="0"),
    # When a part of its contents came last, by the server's clock.
    sa.Column("uploaded", sa.BigInteger, nullable=False, server_default="0"),
    # When it last said something of artifacts: each record of them is later than the one before.
    sa.Column("last_logged", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("acknowledged", sa.BigInteger, nullable=False),
    # Whoever sent the log last said that it is at its end: its process is gone.
    sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("records", sa.BigInteger),  # taken; null where they were not counted from the start
    # What the series store has of it is to go: its log is taken anew.
    sa.Column("is_stale", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("last_point", sa.BigInteger, nullable=False),
    sa.Column("last_patch", sa.BigInteger, nullable=False),
    sa.Column("last_sample", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("summary", sa.LargeBinary, nullable=False),
    # Its lines of output that may still change; empty: it has printed nothing.
    sa.Column("console", sa.LargeBinary, nullable=False, server_default=sa.text("x''")),
    sa.UniqueConstraint("run_id", "writer"),
)

KEYS = sa.Table(
    "keys",
    METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("kinds", sa.Integer, nullable=False),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False),
)

# The leaves of config and summary, to sort runs by. `kind`: 0 number, 1 text, 2 NaN (which SQLite
# would store as NULL).
VALUES = sa.Table(
    "run_values",
    METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("section", sa.String(8), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("number", sa.Double),
    sa.Column("text", sa.Text),
)

OF_ARTIFACTS = ".artifacts/"
"""What the names of those files begin with whose contents artifacts hold: none of a run's own."""

# Files of a run, each writer's own: small ones whole, of large ones what they hold is a blob.
FILES = sa.Table(
    "files",
    METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("writer", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("wall", sa.BigInteger, nullable=False),  # nanoseconds of the client's clock
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column(
        "sha256", sa.String(64), nullable=False, server_default=""
    ),  # empty: not computed yet
    sa.Column("size", sa.BigInteger),  # of a blob; null where the content is here
)

# Contents that are stored, whole and checked.
BLOBS = sa.Table(
    "blobs",
    METADATA,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),  # when: nanoseconds of the server's clock
    sa.Column("content", sa.LargeBinary),  # of a small one; null: it is in the blob store
)

# Those that lost a name: when nobody names them at that time, they and their parts go.
LOOSE = sa.Table(
    "loose_blobs",
    METADATA,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("due", sa.BigInteger, nullable=False),  # nanoseconds of the server's clock
)

# Lines of a writer's output that are left out, since it is too long: from `first` on, as far as the
# one before `behind`.
LOG_CUTS = sa.Table(
    "log_cuts",
    METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("writer", sa.String(63), primary_key=True),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("behind", sa.BigInteger, nullable=False),
    sa.Column("wall", sa.BigInteger, nullable=False),  # nanoseconds: when the first was begun
)

# What people were told.
ALERTS = sa.Table(
    "alerts",
    METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("writer", sa.String(63), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("wall", sa.BigInteger, nullable=False),  # nanoseconds of the client's clock
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("level", sa.String(8), nullable=False),
)

# What people made of charts: a `preset` is a specification by its name, a `panel` how a chart is
# drawn.
CHARTS = sa.Table(
    "charts",
    METADATA,
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("name", sa.String(512), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),  # JSON
    sa.Column("updated", sa.BigInteger, nullable=False),  # nanoseconds of the server's clock
)

# A run that is deleted: its points go in the background, also after a restart.
DELETED = sa.Table("deleted_runs", METADATA, sa.Column("run_id", sa.BigInteger, primary_key=True))

# The writers of deleted runs: one that still lives must not bring its run back.
DELETED_WRITERS = sa.Table(
    "deleted_writers",
    METADATA,
    sa.Column("project_id", sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("run", sa.String(128), primary_key=True),
    sa.Column("writer", sa.String(63), primary_key=True),
)

API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
)

# One-time login tokens and the sessions that they become.
TOKENS = sa.Table(
    "tokens",
    METADATA,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),
)

sa.Index("runs_by_created", RUNS.c.project_id, RUNS.c.created)
sa.Index("writers_by_state", WRITERS.c.state, WRITERS.c.seen)
sa.Index("files_by_hash", FILES.c.sha256)
sa.Index("values_by_key", VALUES.c.section, VALUES.c.key)
