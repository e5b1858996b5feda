"""Config and summary into the log: what cannot be stored costs only itself, and never raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steplog import _values
from steplog._errors import RunClosedError, StorageError, UsageError
from steplog._loaded import name_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steplog._notices import Notices
    from steplog._owed import Owed
    from steplog._writer import NullWriter, Writer
    from steplog.artifacts import Artifact
    from steplog.data.media import Place

    _Entry = tuple[tuple[str, ...], object]

_ARTIFACT = "artifactVersion"
"""What stands for an artifact in a config, as in the reference."""
_MOST_DEEP = 8


class Recording:
    """Writes a run's config and summary, and reads its summary.

    `own_writer` gives this process's writer at each call: after a fork it is another one;
    `place_of` says where files go, and what stands in their names for a step. `is_over` says
    whether a call comes too late to be answered, as of a daemon thread at interpreter exit; `use`
    is told of an artifact that is the value of a key of the config.
    """

    def __init__(
        self,
        own_writer: Callable[[], Writer | NullWriter],
        notices: Notices,
        *,
        place_of: Callable[[Writer | NullWriter, str], Place],
        owed: Owed,
        is_over: Callable[[], bool],
        use: Callable[[Artifact, str], object],
    ) -> None:
        self._owed = owed
        self._place_of = place_of
        self._own_writer = own_writer
        self._notices = notices
        self._is_over = is_over
        self._use = use
        self._artifacts: dict[str, Artifact] = {}
        self._summary_at: tuple[Writer | NullWriter | None, int] = (None, -1)
        self._summary: dict[str, object] = {}

    def plain_config(self, entries: Mapping[Any, object]) -> dict[str, object]:
        """The entries as they would be stored, keys too, without those that cannot be.

        Raises:
            UsageError: An artifact is inside of a value.
        """
        kind = name_in("steplog.artifacts.artifact", "Artifact")
        if kind is not None:
            entries = self._with_artifacts(entries, kind)
        plain, skipped = _values.to_config(entries, self._place("config"))
        if plain.pop("", None) is not None:
            skipped.append(("", "a key must not be empty"))
        self._notices.skip(skipped, "config")
        return plain

    def _with_artifacts(
        self, entries: Mapping[Any, object], kind: type[Artifact]
    ) -> dict[Any, object]:
        """The entries, with what is recorded in the place of artifacts."""
        found = _values.copied(entries)
        for key, value in found.items():
            if isinstance(value, kind):
                known = value.id or value.client_id
                self._artifacts[known] = value
                version = "" if value.is_draft() else value.version
                found[key] = {
                    "_type": _ARTIFACT,
                    "_version": "v0",
                    "id": known,
                    "version": version,
                    "sequenceName": value.base_name,
                    "usedAs": _values.config_key(key),
                }
            elif _holds(value, kind):
                raise UsageError(
                    f"config: {key!r} has an artifact inside: one can be a value of its own alone"
                )
        return found

    def _place(self, step: str) -> Place | None:
        try:
            return self._place_of(self._own_writer(), step)
        except StorageError:  # of a child's log; whoever records the values says so
            return None

    def warn(self, text: str) -> None:
        """Say once what was not done."""
        self._notices.warn(text, text)

    def put_config(self, plain: dict[str, object]) -> dict[str, object]:
        """Record plain entries; returns those that could be stored."""
        kept = self._put_each(
            [((key,), value) for key, value in plain.items()],
            lambda some: self._own_writer().put_config({key: value for (key,), value in some}),
            what="config",
        )
        recorded = {key: value for (key, *_), value in kept}
        if self._artifacts:
            for key, value in recorded.items():
                if isinstance(value, dict) and value.get("_type") == _ARTIFACT:
                    artifact = self._artifacts.pop(value["id"], None)
                    if artifact is not None:
                        self._use(artifact, key)
        return recorded

    def read_summary(self) -> dict[str, object]:
        """The summary of everything logged before; not to be changed."""
        writer = self._own_writer()
        end = writer.end
        if (writer, end) != self._summary_at or end < 0:
            # In this order: what is logged meanwhile is read once more.
            self._summary_at, self._summary = (writer, end), writer.summary()
        return self._summary

    def put_summary(
        self, written: list[tuple[list[str], object]], deleted: list[list[str]]
    ) -> None:
        """Delete paths, then write others."""
        plain: list[_Entry] = []
        place = self._place("summary")
        for path, value in written:
            kept, skipped = _values.to_plain({path[-1]: value}, place)
            self._notices.skip(skipped, "summary")
            # A chart's table has another key than the chart.
            plain += [((*path[:-1], key), value) for key, value in kept.items()]
        self._put_each(
            [(tuple(path), None) for path in deleted],
            lambda some: self._own_writer().put_summary([], [list(path) for path, _ in some]),
            what="summary",
        )
        self._put_each(
            plain,
            lambda some: self._own_writer().put_summary(
                [(list(path), value) for path, value in some], []
            ),
            what="summary",
        )

    def _put_each(
        self, entries: list[_Entry], put: Callable[[list[_Entry]], object], *, what: str
    ) -> list[_Entry]:
        """Record entries; those that cannot be stored cost only themselves. Gives the others."""
        if not entries or self._is_over():
            return []
        try:
            self._owed.put(lambda: put(entries), len(entries))
        except RunClosedError:
            if not self._is_over():
                raise RunClosedError.at(what) from None
            return []
        except UsageError as error:
            if len(entries) > 1:
                each = (self._put_each([entry], put, what=what) for entry in entries)
                return [entry for kept in each for entry in kept]
            self._notices.skip([(".".join(entries[0][0]), str(error))])
            return []
        return entries


def _holds(value: object, kind: type, depth: int = _MOST_DEEP) -> bool:
    """Whether an object of a class is inside of a value."""
    if isinstance(value, kind) or depth == 0:
        return isinstance(value, kind)
    inner = value.values() if isinstance(value, dict) else value
    return isinstance(value, (dict, list, tuple)) and any(
        _holds(one, kind, depth - 1)
        for one in list(inner)  # type: ignore[call-overload]  # of one of the three
    )
