"""Config as YAML: read with PyYAML, which only who gives a file needs, and written without it."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

from steplog._errors import ConfigError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

# Patterns are compiled when used: most programs never do.
# YAML 1.2 and every reader of this know 1e-4 for a number, YAML 1.1 and so PyYAML do not.
_EXPONENT = r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"
# What a key may look like without quotes; words that YAML 1.1 takes for something else may not.
_PLAIN_KEY = r"[A-Za-z_][A-Za-z0-9_./-]*"
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
# JSON leaves these as they are, YAML readers refuse them or take them for the end of a line.
_ESCAPED = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
# A key is known by the colon within 1,024 characters, unless a question mark stands before it.
_MAX_SIMPLE_KEY = 1_000
_PAD = " " * 4
_BOOL, _STR = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"


def read(path: str | os.PathLike[str]) -> dict[str, object]:
    """Read a file of `key: value`, or of `key: {desc: …, value: …}` as W&B writes it.

    Raises:
        ConfigError: There is no such file, it is something else, or PyYAML is not installed.
    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # a path of any kind
            text = file.read()
    except FileNotFoundError:
        raise ConfigError(f"there is no config file {path}") from None
    except (OSError, ValueError) as error:  # no text, or no path
        raise ConfigError(f"the config file cannot be read: {error}: {str(path)!r}") from error
    tree = _parse(text, path)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"the config file holds a {type(tree).__name__}, not keys: {path}")
    if tree.get("wandb_version", 1) != 1:
        raise ConfigError(f"only wandb_version 1 can be read, got {tree['wandb_version']}: {path}")
    return {
        str(key): value["value"] if _is_described(value) else value
        for key, value in tree.items()
        if key not in {"wandb_version", "_wandb"}
    }


def _is_described(value: object) -> bool:
    return isinstance(value, dict) and "value" in value and value.keys() <= {"desc", "value"}


def _parse(text: str, path: object) -> object:
    try:
        import yaml  # noqa: PLC0415  # only who gives a file has to have it
    except ImportError:
        raise ConfigError(
            f"reading a config file needs PyYAML: pip install 'steplog[yaml]': {path}"
        ) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # the module is loaded only here
        """PyYAML's safe loader, with all the numbers of YAML 1.2, and keys that are its text."""

        def compose_node(self, parent: object, index: object) -> object:
            node = super().compose_node(parent, index)
            is_key = isinstance(parent, yaml.MappingNode) and index is None
            if is_key and node.tag == _BOOL and node.value.lower() not in {"true", "false"}:
                node.tag = _STR  # YAML 1.1 took `yes` and `off` for others
            return node

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(_EXPONENT), list("-+0123456789")
    )
    try:
        return yaml.load(text, Loader)  # noqa: S506  # it is a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"the config file is not YAML: {error}: {path}") from error


def dump(values: Mapping[str, object]) -> str:
    """Plain values as YAML, keys sorted; every reader of YAML 1.1 or 1.2 reads the same back."""
    return "".join(f"{line}\n" for line in _block(values, "")) or "{}\n"


def _block(values: Mapping[str, object], pad: str) -> list[str]:
    lines = []
    for key in sorted(values):
        value = values[key]
        start = f"{pad}{_key(key, f'{chr(10)}{pad}:')}"
        if isinstance(value, dict) and value:
            lines += [start, *_block(value, pad + _PAD)]
        else:
            lines.append(f"{start} {_flow(value)}")
    return lines


def _key(key: str, colon_of_long: str) -> str:
    is_plain = re.fullmatch(_PLAIN_KEY, key) and key.lower() not in _WORDS
    text = key if is_plain else _text(key)
    return f"? {text}{colon_of_long}" if len(text) > _MAX_SIMPLE_KEY else f"{text}:"


def _flow(value: object) -> str:
    if isinstance(value, dict):
        items = [f"{_key(key, ' :')} {_flow(value[key])}" for key in sorted(value)]
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, float):
        return _float(value)
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    # YAML 1.1 asks for a point: 1e-05 would be text.
    return f"{mantissa}.0e{power}" if exponent and "." not in mantissa else text


def _text(value: str) -> str:
    quoted = json.dumps(value, ensure_ascii=False)
    return re.sub(_ESCAPED, lambda found: f"\\u{ord(found[0]):04x}", quoted)
