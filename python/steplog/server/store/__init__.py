"""The server's stores: series in embedded ClickHouse, metadata in SQL."""

from __future__ import annotations
