"""What programs keep their config in, told apart without importing any of those libraries."""

from __future__ import annotations

import dataclasses
import os
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog._loaded import is_of, name_in

_DEFAULTS = "config-defaults.yaml"

_ROUTINES = (types.FunctionType, classmethod, staticmethod, property)


def read(config: object) -> dict[str, object]:
    """The entries of a config, whatever it is kept in.

    A mapping, `argparse.Namespace`, absl's flags, a dataclass, a pydantic model, an OmegaConf or
    ml_collections config, an object with attributes, or the path of a YAML file.

    Raises:
        ArgumentTypeError: It is none of these.
        ConfigError: It is the path of a file that is not there or cannot be read.
    """
    if isinstance(config, (str, os.PathLike)):
        return _read_file(config)
    if isinstance(config, types.ModuleType):
        config = getattr(config, "FLAGS", config)
    entries = fields_of(config)
    if entries is None and isinstance(config, Mapping):
        entries = dict(config)
    if entries is None:
        entries = _attributes_of(config)
    if not isinstance(entries, dict):
        raise ArgumentTypeError(
            "config must be a mapping, an object with attributes or the path of a YAML file, "
            f"got {type(config).__name__}"
        )
    return entries


def read_first(
    config: object, *, exclude: Iterable[str] | None = None, include: Iterable[str] | None = None
) -> dict[str, object]:
    """What a run's config starts with: the defaults of the working directory, then `config`.

    Raises:
        UsageError: Keys are given to leave out, and others to take.
        ArgumentTypeError: `config` is nothing that can be read, or the keys are one text.
        ConfigError: A file cannot be read.
    """
    if exclude is not None and include is not None:
        raise UsageError("give config_exclude_keys or config_include_keys, not both")
    for names in (exclude, include):
        if isinstance(names, str):
            raise ArgumentTypeError(f"keys of the config must be several, got the text {names!r}")
    entries = {} if config is None else read(config)
    if exclude is not None:
        left_out = set(exclude)
        entries = {key: value for key, value in entries.items() if key not in left_out}
    if include is not None:
        wanted = set(include)
        entries = {key: value for key, value in entries.items() if key in wanted}
    return {**_read_defaults(), **entries}


def _read_defaults() -> dict[str, object]:
    return _read_file(_DEFAULTS) if Path(_DEFAULTS).exists() else {}


def _read_file(path: str | os.PathLike[str]) -> dict[str, object]:
    from steplog import _yaml  # noqa: PLC0415  # only who has such a file pays for it

    return _yaml.read(path)


def fields_of(value: Any) -> object:  # noqa: ANN401, PLR0911  # of any library, one a library
    """The fields of an object that is made to hold fields, None for any other."""
    kind = type(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(kind, "model_fields") and hasattr(kind, "model_dump"):
        return value.model_dump()
    if hasattr(kind, "__fields__") and hasattr(kind, "dict"):  # pydantic 1
        return value.dict()
    if is_of(value, "omegaconf", "DictConfig", "ListConfig"):
        return name_in("omegaconf", "OmegaConf").to_container(value, resolve=True)
    if is_of(value, "ml_collections", "ConfigDict"):
        return value.to_dict()
    if is_of(value, "argparse", "Namespace"):
        return dict(vars(value))
    if hasattr(kind, "flag_values_dict"):  # absl, and TensorFlow's wrapper of it
        return value.flag_values_dict()
    return None


def _attributes_of(config: Any) -> dict[str, object] | None:  # noqa: ANN401  # anything at all
    if hasattr(type(config), "_asdict"):  # a named tuple
        entries: dict[str, object] = config._asdict()  # its documented name
        return entries
    if isinstance(config, (types.ModuleType, *_ROUTINES)) or not hasattr(config, "__dict__"):
        return None
    return {
        name: value
        for name, value in vars(config).items()
        if not name.startswith("_") and not isinstance(value, _ROUTINES)
    }
