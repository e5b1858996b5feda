"""Tables, images and the like in artifacts: as files, and back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from steplog import _values
from steplog._errors import ArgumentTypeError, ServerError, StorageError, UsageError
from steplog.artifacts import compound
from steplog.data.joined_table import TABLE_SUFFIX, JoinedTable
from steplog.data.media import Moved, Value
from steplog.data.partitioned_table import PartitionedTable
from steplog.data.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from steplog.artifacts.manifest import Entry

    class PutContent(Protocol):
        """Adds a content to a draft."""

        def __call__(self, path: str, content: bytes) -> Entry: ...


__all__ = ["Named", "entry_of", "named_in", "put", "read"]

_SUFFIX = ".json"


class _Place:
    """Where files of an object go: beside it, in the artifact."""

    step = "artifact"

    def __init__(self, put_content: PutContent) -> None:
        self._put = put_content
        self.owner = f"artifact {secrets.token_hex(8)}"
        self.said: list[str] = []
        self.error: StorageError | None = None

    def put(self, name: str, content: bytes, sha256: bytes) -> bool:
        """As of `Place`."""
        del sha256
        try:
            self._put(name, content)
        except StorageError as error:
            self.error = error  # whoever encodes it takes any error for one of the object's own
            raise
        return True

    def warn(self, text: str) -> None:
        """As of `Place`: there is no run that would say it."""
        self.said.append(text)

    def put_panel(self, section: str, key: str, panel: dict[str, object]) -> None:
        """As of `Place`: an artifact has no panels."""

    def plain(self, value: object, otherwise: Callable[[object], object]) -> object:
        """As of `Place`."""
        return _values.plain_value(value, otherwise=otherwise)


def put(obj: object, name: str, put_content: PutContent, *, paths: Collection[str]) -> Entry:
    """Add an object, and its files; `paths` are those that the draft has.

    Raises:
        ArgumentTypeError: It is no object of the kind.
        UsageError: It cannot be stored.
    """
    if not isinstance(obj, Value) or isinstance(obj, Moved):
        raise ArgumentTypeError(
            f"add() takes a table, an image or another media object, got {type(obj).__name__}; "
            "add_file() takes files"
        )
    place = _Place(put_content)
    if isinstance(obj, Table):
        return put_content(f"{name}{TABLE_SUFFIX}", obj.written(place, name))
    add = partial(put, put_content=put_content, paths=paths)
    if isinstance(obj, JoinedTable):
        said = compound.say_joined(obj, name, add=add, paths=paths)
    elif isinstance(obj, PartitionedTable):
        said = compound.say_partitioned(obj, add=add, paths=paths)
    else:
        said = _said_of(obj, name, place)
    content = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return put_content(f"{name}.{said['_type']}{_SUFFIX}", content)


def _said_of(obj: Value, name: str, place: _Place) -> dict[str, object]:
    plain, skipped = _values.to_plain({name: obj}, place)
    said = plain.get(name)
    if place.error is not None:
        raise place.error
    if skipped or not isinstance(said, dict) or "_type" not in said:
        why = skipped[0][1] if skipped else "it has no form in files"
        raise UsageError(f"the object cannot be stored: {why}")
    return said


def entry_of(name: str, paths: Iterable[str]) -> str | None:
    """The path of the object of a name; None where there is none."""
    for path in paths:
        rest = path[len(name) :] if path.startswith(f"{name}.") else ""
        if path == name or (rest.endswith(_SUFFIX) and rest.count(".") == 2):  # noqa: PLR2004  # .type.json
            return path
    return None


class Named(NamedTuple):
    """What an object names.

    Attributes:
        files: Paths of its files.
        objects: Paths of the objects that it is made of.
    """

    files: frozenset[str]
    objects: frozenset[str]


def named_in(file: Path, paths: Collection[str]) -> Named:
    """The files and objects that an object names; `paths` are those of its artifact.

    Raises:
        ServerError: It is none.
        OSError: The file cannot be read.
    """
    try:
        said = json.loads(file.read_bytes())
        members = compound.members_of(said, paths)
        if members is not None:
            return Named(frozenset(), frozenset(members))
        return Named(frozenset(_paths_in(said)), frozenset())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServerError(f"the object cannot be understood: {error!r}") from error


def _paths_in(said: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    if isinstance(said, Mapping):
        path = said.get("path")
        if isinstance(path, str) and "_type" in said:
            yield path
        said = list(said.values())
    if isinstance(said, list):
        for one in said:
            if isinstance(one, (Mapping, list)):
                yield from _paths_in(one)


def read(path: str, base: Path, paths: Collection[str]) -> Any:  # noqa: ANN401  # a table, an image …
    """The object of a file below a folder, in which also its own files and objects are.

    Of a kind that has no class here it is what the file says, a dict.

    Raises:
        ServerError: It cannot be understood.
        UsageError: A file of it cannot be read.
        OSError: A file of it is gone.
    """
    try:
        said = json.loads((base / path).read_bytes())
        if said["_type"] == "joined-table":
            return compound.joined(said, lambda one: _read_joinable(one, base, paths))
        return _unjoined(said, base, paths)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise ServerError(f"the object cannot be understood: {error!r}") from error


def _read_joinable(path: str, base: Path, paths: Collection[str]) -> object:
    """A table of a joined one, which is none itself: files that name each other are understood."""
    said = json.loads((base / path).read_bytes())
    if said["_type"] == "joined-table":
        raise ValueError("a joined table is of a joined table")
    return _unjoined(said, base, paths)


def _unjoined(said: Mapping[str, Any], base: Path, paths: Collection[str]) -> Any:  # noqa: ANN401  # as of `read`
    if said["_type"] == "table":
        return _table(said, base)
    if said["_type"] == "partitioned-table":
        return compound.partitioned(said, paths, lambda one: _read_part(one, base))
    return _object(said, base)


def _read_part(path: str, base: Path) -> Table:
    found = read(path, base, ())
    if not isinstance(found, Table):
        raise ServerError(f"a part of a table is none: {path}")
    return found


def _table(said: Mapping[str, Any], base: Path) -> Table:
    from steplog.client.tables import understand  # noqa: PLC0415  # with the client's libraries

    stored = understand(said)
    rows = [[_cell(cell, base) for cell in row] for row in stored.rows]
    mode = said.get("log_mode", "IMMUTABLE")
    kinds = [stored.types[name] for name in map(str, stored.columns)]
    try:
        return Table(columns=stored.columns, data=rows, dtype=kinds, log_mode=mode)
    except ArgumentTypeError:  # a cell that has no class here is a dict
        return Table(columns=stored.columns, data=rows, allow_mixed_types=True, log_mode=mode)


def _cell(cell: Any, base: Path) -> Any:  # noqa: ANN401  # of any type
    if isinstance(cell, Mapping) and cell.get("_type") in _MAKERS:
        return _object(cell, base)
    return [_cell(one, base) for one in cell] if isinstance(cell, list) else cell


def _object(said: Mapping[str, Any], base: Path) -> Any:  # noqa: ANN401  # as of `read`
    make = _MAKERS.get(str(said["_type"]))
    return dict(said) if make is None else make(said, base)


def _image(said: Mapping[str, Any], base: Path) -> object:
    from steplog.data.image import Image  # noqa: PLC0415  # with its libraries

    def labelled(mask: Mapping[str, Any]) -> dict[str, Any]:
        labels = {int(number): label for number, label in mask.get("class_labels", {}).items()}
        return {"path": base / mask["path"], **({"class_labels": labels} if labels else {})}

    boxes = {
        name: json.loads((base / one["path"]).read_bytes())
        for name, one in said.get("boxes", {}).items()
    }
    masks = {name: labelled(one) for name, one in said.get("masks", {}).items()}
    return Image(
        base / said["path"],
        caption=said.get("caption"),
        grouping=said.get("grouping"),
        boxes=boxes or None,
        masks=masks or None,
    )


def _audio(said: Mapping[str, Any], base: Path) -> object:
    from steplog.data.audio import Audio  # noqa: PLC0415  # with its libraries

    return Audio(base / said["path"], said.get("sample_rate"), said.get("caption"))


def _video(said: Mapping[str, Any], base: Path) -> object:
    from steplog.data.video import Video  # noqa: PLC0415  # with its libraries

    return Video(base / said["path"], said.get("caption"))


def _html(said: Mapping[str, Any], base: Path) -> object:
    from steplog.data.html import Html  # noqa: PLC0415  # for who has some

    return Html((base / said["path"]).read_text("utf-8"), inject=False, data_is_not_path=True)


def _object_3d(said: Mapping[str, Any], base: Path) -> object:
    from steplog.data.object_3d import Object3D  # noqa: PLC0415  # with its libraries

    return Object3D(base / said["path"], said.get("caption"))


def _molecule(said: Mapping[str, Any], base: Path) -> object:
    from steplog.data.molecule import Molecule  # noqa: PLC0415  # for who has some

    return Molecule(base / said["path"], said.get("caption"))


def _plotly(said: Mapping[str, Any], base: Path) -> object:
    from steplog.data.plotly_figure import Plotly  # noqa: PLC0415  # for who has some

    return Plotly(json.loads((base / said["path"]).read_bytes()), said.get("caption"))


def _histogram(said: Mapping[str, Any], base: Path) -> object:
    del base
    from steplog.data.histogram import Histogram  # noqa: PLC0415  # for who has some

    return Histogram(np_histogram=(said["values"], said["bins"]))


_MAKERS: dict[str, Callable[[Mapping[str, Any], Path], object]] = {
    "image-file": _image,
    "audio-file": _audio,
    "video-file": _video,
    "html-file": _html,
    "object3D-file": _object_3d,
    "molecule-file": _molecule,
    "plotly-file": _plotly,
    "histogram": _histogram,
}
