"""The self-hosted server: ingest, queries, live channel, dashboard."""

from __future__ import annotations
