"""What a logged object is made of: one item each, of lists too, with the files that it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from steplog.server.schema import TYPE_KEY
from steplog.server.store.object_heads import LIST_FORMS, objects_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from steplog.server.store.run_files import NamedFile

    Find = Callable[[str], NamedFile | None]

_MEMBERS = {"videos": "videos", "audio": "audio", "html": "html", "object3D": "objects"}
"""Of list forms that hold whole objects: where."""
_NAMES = {"images/separated": "image-file", "molecule": "molecule-file"}
"""Of those that name files in `filenames`: what each is."""
_DETAILS = ("format", "width", "height", "duration", "caption", "grouping")
_MIME = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "svg": "image/svg+xml",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "ogg": "video/ogg",
    "ogv": "video/ogg",
    "oga": "audio/ogg",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "html": "text/html",
    "json": "application/json",
}
"""By the end of a name: a hint, which the server itself does not rely on."""


@dataclass
class Item:
    """One object of a value.

    Attributes:
        index: Its place in the value, from 0 on.
        count: How many the value has.
        kind: Its type, of what is in a list that of a single one.
        path: The name of its file; empty for none.
        value: The object itself; None where a list form has only names.
        details: What is known of it, by `_DETAILS`.
        boxes: By the name of the set: what the row says of its file.
        masks: Likewise.
    """

    index: int
    count: int
    kind: str
    path: str
    value: dict[str, object] | None
    details: dict[str, object]
    boxes: dict[str, dict[str, object]] = field(default_factory=dict)
    masks: dict[str, dict[str, object]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of all files that it has."""
        files = [*self.boxes.values(), *self.masks.values()]
        return [name for name in (self.path, *(_path(one) for one in files)) if name]

    def answer(self, find: Find) -> dict[str, object]:
        """As the API has it; `find` finds a file by its name."""
        said = self.value or {}
        suffix = self.path.rpartition(".")[2].lower()
        return {
            "index": self.index,
            "count": self.count,
            "kind": self.kind,
            **_file(self.path, said, find),
            "mime": _MIME.get(suffix) if self.path else None,
            **{name: self.details.get(name) for name in _DETAILS},
            "format": self.details.get("format") or (suffix if self.path else None),
            "boxes": {name: _file(_path(one), one, find) for name, one in self.boxes.items()},
            "masks": {
                name: {
                    **_file(_path(one), one, find),
                    "class_labels": one.get("class_labels"),
                }
                for name, one in self.masks.items()
            },
            "value": self.value,
        }


def count_of(value: object) -> int:
    """How many items a value has."""
    if isinstance(value, dict) and value.get(TYPE_KEY) in LIST_FORMS:
        return len(_listed(value, _form(value)))
    return len(objects_in(value))


def items_of(value: object, offset: int, limit: int) -> list[Item]:
    """Some of the items of a value; a list form whose members are not as they must be has none."""
    if isinstance(value, dict) and value.get(TYPE_KEY) in LIST_FORMS:
        return _of_form(value, offset, limit)
    objects = objects_in(value)
    return [
        _of_object(objects[index], index, len(objects))
        for index in range(offset, min(offset + limit, len(objects)))
    ]


def _form(value: dict[str, object]) -> str:
    return str(value[TYPE_KEY])


def _listed(value: dict[str, object], form: str) -> Sequence[object]:
    found = value.get(_MEMBERS.get(form, "filenames"))
    return found if isinstance(found, list) else []


def _of_form(value: dict[str, object], offset: int, limit: int) -> list[Item]:
    form = _form(value)
    members = _listed(value, form)
    items = []
    for index in range(offset, min(offset + limit, len(members))):
        member = members[index]
        if form in _NAMES:
            item = Item(index, len(members), _NAMES[form], _text(member), None, {})
            item.boxes, item.masks = (
                _sets(_at(value.get(name), index)) for name in ("all_boxes", "all_masks")
            )
            item.details = {name: value.get(name) for name in ("width", "height")}
            item.details["format"] = item.path.rpartition(".")[2].lower()
        elif isinstance(member, dict):
            item = _of_object(member, index, len(members))
        else:
            item = Item(index, len(members), "", "", None, {})
        for name, source in (("caption", "captions"), ("duration", "durations")):
            item.details[name] = _at(value.get(source), index) or item.details.get(name)
        items.append(item)
    return items


def _of_object(value: dict[str, object], index: int, count: int) -> Item:
    return Item(
        index=index,
        count=count,
        kind=_text(value.get(TYPE_KEY)),
        path=_path(value),
        value=value,
        details={name: value.get(name) for name in _DETAILS},
        boxes=_sets(value.get("boxes")),
        masks=_sets(value.get("masks")),
    )


def _sets(value: object) -> dict[str, dict[str, object]]:
    found = value if isinstance(value, dict) else {}
    return {str(name): one for name, one in found.items() if isinstance(one, dict)}


def _at(values: object, index: int) -> object:
    return values[index] if isinstance(values, list) and index < len(values) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _path(value: dict[str, object]) -> str:
    return _text(value.get("path"))


def _file(path: str, said: dict[str, object], find: Find) -> dict[str, object]:
    """A file that an object names; what is not there is as the object says."""
    if not path:
        return {"path": None, "sha256": None, "size": None, "state": None}
    found = find(path)
    if found is None:
        sha256, size = said.get("sha256"), said.get("size")
        return {"path": path, "sha256": sha256, "size": size, "state": "missing"}
    state = "stored" if found.is_stored else "wanted"
    return {
        "path": path,
        "sha256": found.sha256,
        "size": found.size_bytes,
        "state": state,
    }


__all__ = ["Item", "count_of", "items_of"]
