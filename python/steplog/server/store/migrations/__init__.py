"""Migrations of the metadata store; Alembic runs them at start."""

from __future__ import annotations
