"""`metadata.json` and its companions: written and logged when they change."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = "metadata.json"


class Metadata:
    """What is known of where the run ran. Safe from any thread.

    `put_file` keeps a file of the run by its name.
    """

    def __init__(self, put_file: Callable[[str, bytes], None]) -> None:
        self._put_file = put_file
        self._lock = threading.Lock()
        self._facts: dict[str, object] = {}
        self._written = b""

    def add(self, **facts: object) -> None:
        """Add facts, or change them; `write` keeps them."""
        with self._lock:
            self._facts.update(facts)

    def not_available(self, what: str, reason: str) -> None:
        """Say why something is not recorded."""
        with self._lock:
            reasons = self._facts.setdefault("not_available", {})
            if isinstance(reasons, dict):
                reasons[what] = reason

    def write(self) -> None:
        """Keep what is known, unless it is kept already."""
        with self._lock:
            text = json.dumps(self._facts, indent=2, ensure_ascii=False, default=str) + "\n"
            # Names of files may hold what is no text.
            content = text.encode("utf-8", "replace")
            if content != self._written:
                self._written = content
                self._put_file(FILE, content)

    def put(self, name: str, content: bytes) -> None:
        """Keep another file of the run."""
        self._put_file(name, content)
