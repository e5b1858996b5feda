"""One file a change of the tables."""

from __future__ import annotations
