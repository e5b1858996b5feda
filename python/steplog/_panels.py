"""How the charts of a run are drawn: a part of its config that is not in `run.config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steplog._owed import Owed

KEY = "_wandb"
"""What this part of the config stands under."""


class Panels:
    """The panels of one run; a config's key is recorded whole, so all of them each time."""

    def __init__(self, owed: Owed, config: Mapping[str, object]) -> None:
        """`config` is what the run had when it began."""
        self._owed = owed
        known = config.get(KEY)
        self._others: dict[str, Any] = dict(known) if isinstance(known, dict) else {}
        self._panels: dict[tuple[str, str], Any] = {
            (section, key): panel
            for section in ("visualize", "viz")
            for key, panel in (self._others.pop(section, None) or {}).items()
        }

    def put(
        self, record: Callable[[dict[str, object]], object], name: tuple[str, str], panel: object
    ) -> None:
        """Record a panel, by its section and key; in the log when it returns, if that has room."""
        if self._panels.get(name) == panel:
            return
        self._panels[name] = panel
        recorded = None
        # Without a lock, which a forked child might find taken: who comes last records all.
        while (panels := dict(self._panels)) != recorded:
            entry = {KEY: self._entry(panels)}
            self._owed.put(lambda entry=entry: record(entry))  # type: ignore[misc]
            recorded = panels

    def note(self, record: Callable[[dict[str, object]], object], name: str, value: object) -> None:
        """Record what else is in this part of the config; as of `put`."""
        self._others[name] = value
        self._owed.put(lambda: record({KEY: self._entry(dict(self._panels))}))

    def _entry(self, panels: Mapping[tuple[str, str], object]) -> dict[str, object]:
        entry = dict(self._others)
        for (section, key), panel in panels.items():
            entry.setdefault(section, {})[key] = panel
        return entry


def without(config: Mapping[str, object]) -> dict[str, object]:
    """A config without this part."""
    return {key: value for key, value in config.items() if key != KEY}
