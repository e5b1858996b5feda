"""What the types of values have in common: how `log` takes them, and where their files go."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Protocol

from steplog._arrays import Later, NotKeptError
from steplog._errors import ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["LateMedia", "Media", "Moved", "Place", "Value", "batched", "put"]

_NAME_BYTES = 255
"""Of the name of a file of a run."""
_DIGITS = 20
"""Of the hash, in a name: as in the reference."""
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
"""What no name of a file may have."""


class Place(Protocol):
    """Where the files of one row go."""

    @property
    def owner(self) -> str:
        """Tells the log whose files these are from others."""

    @property
    def step(self) -> int | str:
        """The row, or what stands in its place."""

    def put(self, name: str, content: bytes, sha256: bytes) -> bool:
        """Keep a file; false when there is no room for it, which is told of."""

    def warn(self, text: str) -> None:
        """Say once what is not as the user may expect."""

    def put_panel(self, section: str, key: str, panel: dict[str, object]) -> None:
        """Say in the config how a key is drawn: `_wandb.<section>.<key>`."""

    def plain(self, value: object, otherwise: Callable[[object], object]) -> object:
        """A value as rows have it; `otherwise` converts what is of no type that is known."""


class Value:
    """A value that `log` takes as an object."""

    def taken(self) -> object:
        """It as a plain value, or what will read that later; never waits."""
        raise NotImplementedError


class Media(Value):
    """A value with files; it never changes, from its constructor on.

    Attributes:
        size_bytes: What it keeps in memory until its files are kept.
    """

    size_bytes = 0
    _kept: tuple[str, dict[str, object]] | None = None

    def taken(self) -> object:
        """As of `Value`."""
        return LateMedia([self], is_list=False)

    def stored(self, place: Place, key: str) -> dict[str, object]:
        """Keep its files, then give what the row says of them; may take long.

        Logged again, it keeps its first files.
        """
        # Without a lock, which a forked child might find taken: at worst it is kept twice.
        kept = self._kept
        if kept is None or kept[0] != place.owner:
            kept = self._kept = (place.owner, self._store(place, key))
        return kept[1]

    def _store(self, place: Place, key: str) -> dict[str, object]:
        raise NotImplementedError

    @classmethod
    def batch(cls, stored: Sequence[dict[str, object]]) -> object:
        """What the row says of a list of them."""
        return list(stored)


class Moved(Value):
    """A value that stands under another key at the top of its row."""

    def taken(self) -> object:
        """As of `Value`.

        Raises:
            ArgumentTypeError: Always: in a list it has no key.
        """
        raise ArgumentTypeError("a chart has a key of its own: it stands in no list, and no config")

    def moved(self, path: str) -> tuple[str, LateMedia]:
        """The key, and the value; `path` is its own key, behind those it is in, joined by dots."""
        raise NotImplementedError


class LateMedia(Later):
    """A value with files, or a list of such values, that is kept on another thread."""

    def __init__(self, items: Sequence[Media], *, is_list: bool) -> None:
        super().__init__(sum(item.size_bytes for item in items))
        self.items = items
        self.is_list = is_list

    def stored(self, place: Place, key: str) -> object:
        """Keep the files, then give what the row says of them; may take long."""
        stored = [item.stored(place, key) for item in self.items]
        return type(self.items[0]).batch(stored) if self.is_list else stored[0]


def batched(items: list[object]) -> object:
    """A list of converted values, which is one value if all are media of one type."""
    media = [item.items[0] for item in items if isinstance(item, LateMedia) and not item.is_list]
    if not media or len(media) < len(items) or len({type(item) for item in media}) > 1:
        return items
    return LateMedia(media, is_list=True)


def put(place: Place, where: tuple[str, str, str], content: bytes) -> dict[str, object]:
    """Keep a file; `where` is its folder below `media`, its key and its suffix.

    Returns:
        What the row says of it.

    Raises:
        NotKeptError: There is no room.
    """
    folder, key, suffix = where
    sha256 = hashlib.sha256(content)
    name = _name(f"media/{folder}/", key, f"_{place.step}_{sha256.hexdigest()[:_DIGITS]}{suffix}")
    if not place.put(name, content, sha256.digest()):
        raise NotKeptError
    return {"path": name, "sha256": sha256.hexdigest(), "size": len(content)}


def _name(folder: str, key: str, rest: str) -> str:
    parts = [{".": "_", "..": "__"}.get(part, part) for part in key.split("/") if part]
    room = _NAME_BYTES - len(folder) - len(rest.encode())
    # A key with the same beginning is told apart by the hash.
    cut = _UNFIT.sub("_", "/".join(parts)).encode()[:room].decode(errors="ignore")
    return f"{folder}{cut or '_'}{rest}"
