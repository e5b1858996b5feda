"""Names that a run has in the reference and that say no more than others do, or nothing yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from steplog._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from steplog._settings import Settings

_CALLS_NOT_YET = {"display", "get_sweep_url", "pin_config_keys", "to_html"}
_NOT_YET = _CALLS_NOT_YET | {"config_static", "start_time", "sweep_url"}


def refuse(name: str) -> NoReturn:
    """Say that a name of the reference is not there yet.

    Raises:
        UsageError: Always. No AttributeError: `from steplog import Artifact` would hide the reason.
    """
    raise UsageError(f"{name} is not there yet; see the changelog")


def _do_nothing(*_: object, **__: object) -> None:
    """What a disabled run answers to a call that nothing is recorded of."""


class Nothing:
    """Stands for an artifact in a disabled run: whatever is asked of it is nothing, too."""

    def __getattr__(self, name: str) -> Nothing:
        if name.startswith("__"):  # what protocols of Python ask for is not there
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> Nothing:
        return self

    def __getitem__(self, _: object) -> Nothing:
        return self

    def __iter__(self) -> Iterator[Nothing]:
        return iter(())

    def __setitem__(self, _: object, __: object) -> None:
        """Nothing is put into it."""


class Reference:
    """What a run has besides under the reference's names."""

    __slots__ = ()

    entity: str
    project: str
    id: str
    settings: Settings

    @property
    def url(self) -> str | None:
        """The run's page; None when it is not online."""
        raise NotImplementedError

    @property
    def sweep_id(self) -> str | None:
        """None: there are no sweeps yet."""
        return None

    @property
    def path(self) -> str:
        """Entity, project and id, joined by slashes."""
        return f"{self.entity}/{self.project}/{self.id}"

    @property
    def offline(self) -> bool:
        """Whether nothing is uploaded while it runs."""
        return self.settings.mode == "offline"

    @property
    def disabled(self) -> bool:
        """Whether nothing is recorded."""
        return self.settings.mode == "disabled"

    @property
    def project_url(self) -> str | None:
        """The project's page; None when the run is not online."""
        if self.url is None:
            return None
        entity, project = (quote(part, safe="") for part in (self.entity, self.project))
        return f"{self.settings.base_url.rstrip('/')}/p/{entity}/{project}/workspace"

    def get_url(self) -> str | None:
        """`url`, as a call."""
        return self.url

    def get_project_url(self) -> str | None:
        """`project_url`, as a call."""
        return self.project_url

    def project_name(self) -> str:
        """`project`, as a call."""
        return self.project

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name in _CALLS_NOT_YET and self.disabled:
            return _do_nothing
        if name in _NOT_YET:
            refuse(f"Run.{name}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
