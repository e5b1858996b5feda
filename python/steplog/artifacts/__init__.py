"""Artifacts: versions of files and references, and who made and used them."""

from __future__ import annotations

from steplog.artifacts.artifact import Artifact
from steplog.artifacts.manifest import Entry, Manifest

__all__ = ["Artifact", "Entry", "Manifest"]
