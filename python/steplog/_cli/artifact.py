"""`steplog artifact`: put, get, ls, and the cache."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from steplog import _api, _settings
from steplog._terminal import printable, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.artifacts.catalog import CollectionFacts

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@click.group()
def artifact() -> None:
    """Log, download and list artifacts."""


@artifact.command()
@click.argument("path")
@click.option("-n", "--name", help="project/name, or entity/project/name; or the name alone.")
@click.option("-t", "--type", "kind", default="dataset", show_default=True, help="Its type.")
@click.option("-d", "--description", help="A text about it.")
@click.option("-a", "--alias", "aliases", multiple=True, help="What it is called; several times.")
@click.option("--tag", "tags", multiple=True, help="A label; several times.")
def put(  # noqa: PLR0917  # click gives them by name
    path: str,
    name: str | None,
    kind: str,
    description: str | None,
    aliases: Sequence[str],
    tags: Sequence[str],
) -> None:
    """Log a file, a folder or a reference as an artifact, by a run of its own.

    Returns when the server has it; prints entity/project/name:version.
    """
    from steplog.artifacts import Artifact, names, references  # noqa: PLC0415  # for this command
    from steplog.client import Api  # noqa: PLC0415  # 100 ms, for commands that read

    if name is not None and ":" in name:
        raise click.BadParameter(
            f"a name has no colon, got {name!r}: aliases are given by --alias", param_hint="--name"
        )
    settings = _settings.resolve(None)
    base = path.rstrip("/").rpartition("/")[2] or "root"
    place = names.Place.parse(
        names.name_for(base) if name is None else name,
        entity=settings.entity,
        project=settings.project,
    )
    with Api() as api:
        api.artifact_exists(str(place))  # a server that is not there is not waited for
    made = Artifact(place.name, kind, description)
    if references.is_reference(path):
        made.add_reference(path)
    elif Path(path).is_dir():
        made.add_dir(path)
    else:
        made.add_file(path)
    with _api.init(
        place.entity,
        place.project,
        job_type="artifact put",
        mode="online",
        settings={"console": "off", "stats": False, "quiet": True},
    ) as run:
        print(run.log_artifact(made, aliases=aliases, tags=tags).wait().qualified_name)


@artifact.command()
@click.argument("name")
@click.option("--root", type=click.Path(path_type=Path), help="Where to; artifacts/name:version.")
@click.option("-t", "--type", "kind", help="What it has to be.")
def get(name: str, root: Path | None, kind: str | None) -> None:
    """Download name:alias, project/name:alias or entity/project/name:v3; prints the folder."""
    from steplog.client import Api  # noqa: PLC0415  # 100 ms, for commands that read

    with Api() as api:
        print(api.artifact(name, kind).download(root))


@artifact.command()
@click.argument("project", required=False)
@click.option("-t", "--type", "kind", help="Only those of this type.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per collection.")
def ls(project: str | None, kind: str | None, *, as_json: bool) -> None:
    """List the artifacts of a project, each with its latest version."""
    from steplog.client import Api  # noqa: PLC0415  # 100 ms, for commands that read

    where = _settings.resolve(None).project if project is None else project
    with Api() as api:
        found = [_entry(one) for one in api.artifact_collections(where, kind)]
    if as_json:
        for entry in found:
            print(json.dumps(entry), flush=True)
        return
    lines = [["TYPE", "NAME", "VERSIONS", "LATEST", "BYTES", "CREATED"]]
    lines += [[printable(str(value)) for value in entry.values()] for entry in found]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def _entry(collection: CollectionFacts) -> dict[str, object]:
    latest = collection.latest or {}
    created = float(latest.get("created") or collection.created)
    return {
        "type": collection.type,
        "name": collection.name,
        "versions": collection.versions,
        "latest": latest.get("version") or "",
        "bytes": latest.get("size") or 0,
        "created": time.strftime("%Y-%m-%d %H:%M", time.localtime(created)),
    }


@artifact.group()
def cache() -> None:
    """The contents of artifacts that this machine has had."""


@cache.command()
@click.argument("size")
def cleanup(size: str) -> None:
    """Remove what was not used for the longest time, until at most SIZE is there, such as 10GB.

    What was begun and given up goes as well.
    """
    from steplog.artifacts.cache import Cache  # noqa: PLC0415  # for this command

    cleaned = Cache.of(_settings.resolve(None)).clean(_bytes_of(size))
    say(f"removed {cleaned.removed_bytes:,} bytes, {cleaned.kept_bytes:,} bytes are left")


def _bytes_of(size: str) -> int:
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        raise click.BadParameter(f"a size is a number and B, KB, MB, GB, TB, KiB …, got {size!r}")
    number, unit, is_binary = found.groups()
    return int(float(number) * (1024 if is_binary else 1000) ** _POWERS[unit.upper()])
