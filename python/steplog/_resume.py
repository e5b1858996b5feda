"""Going on with a run: what its folders on this machine and the server know of it."""

from __future__ import annotations

import glob
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from steplog import _folder
from steplog._errors import RefusedError, ServerError, StorageError, UsageError
from steplog._facts import new_id
from steplog._keys import key_from_file
from steplog._network import ask
from steplog._past import Moment, Past
from steplog._writer import RunLog, merge_summaries, unpack_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from steplog._facts import Facts
    from steplog._settings import Settings

_MAX_STEP, _MAX_GENERATION = (1 << 63) - 1, (1 << 31) - 1
_MAX_RUNTIME_SECS = 1e9
WAYS = ("allow", "must", "never", "auto")


def check_way(resume: object) -> str:
    """How to go on: one of `WAYS`, or nothing.

    Raises:
        UsageError: It is none.
    """
    if resume in (None, False, ""):
        return ""
    if resume is True:
        return "auto"
    if resume not in WAYS:
        raise UsageError(f"resume must be one of {', '.join(WAYS)}, got {resume!r}")
    return str(resume)


def find(
    settings: Settings,
    facts: Facts,
    way: str,
    *,
    moment: Moment | None = None,
    is_fork: bool = False,
) -> tuple[Past | None, str]:
    """The past of the run that is to go on, behind its last step or behind a moment of it.

    Of a run that is forked all writers count together, else this one's label does.

    Returns:
        The past, None for a new run, and a warning or nothing.

    Raises:
        UsageError: `must`, and there is no such run; `never`, and there is one; it still runs.
        ServerError: `must`, and only the server could know, which cannot be asked.
    """
    label = None if is_fork else settings.label
    local = _find_local(settings, facts, label, moment=moment)
    remote, warning = None, ""
    if settings.mode == "online":
        try:
            remote = _ask_server(settings, facts, label, moment=moment)
        except ServerError as error:
            if way == "must" and local is None:
                raise
            warning = f"what the server knows of the run is not known: {error}"
    if remote is not None and local is None and remote.is_running and not is_fork:
        warning = (
            f"the server says that the run {facts.id} is still running: if that process is alive, "
            "what it logs from now on is hidden behind what this one does"
        )
    past = _join(local, remote, begins=moment.next_step if moment else 0)
    where = f"{settings.entity}/{settings.project}/{facts.id}"
    if past is None and way == "must":
        asked = f"{'fork' if is_fork else 'resume'}_from" if moment else 'resume="must"'
        raise UsageError(f"{asked}: there is no run {where}, neither here nor at the server")
    if past is not None and way == "never":
        raise UsageError(f'resume="never": there is a run {where} already')
    return past, warning


def _join(local: Past | None, remote: Past | None, *, begins: int) -> Past | None:
    if local is None or remote is None:
        return local or remote
    # It went on elsewhere, or began there.
    if remote.next_step > local.next_step or (begins and begins < local.first_step):
        return replace(remote, folder=local.folder)
    return local


def _find_local(
    settings: Settings, facts: Facts, label: str | None, *, moment: Moment | None
) -> Past | None:
    past: Past | None = None
    for folder in _folders(settings, facts):
        log = RunLog(folder)
        writers: list[dict[str, Any]] = log.writers()
        own = [writer for writer in writers if label is None or writer["label"] == label]
        base, others = log.summary_states(settings.label)
        if moment is not None:
            base = log.summary_before(moment.next_step, label)
        is_anew = bool(past and past.writers) and not any(map(_is_resumed, own))
        if past is not None and label is not None and (is_anew or not own):
            # Of other labels; or begun anew rather than gone on with: the server has given it a
            # label of its own.
            past = replace(
                past,
                next_step=max([past.next_step, *(writer["next_step"] for writer in own)]),
                others=[*past.others, base, others],
            )
            continue
        # A run that is being finished holds its lock until its threads have ended.
        is_live = any(writer["live"] and writer["exit_code"] is None for writer in own)
        if is_live and label is not None:
            raise UsageError(f"the run {facts.id} is still running: its folder is {folder}")
        before = past or Past()
        summary = merge_summaries([base])[0]
        starts = [writer["start"] for writer in own if writer["start"]]
        past = Past(
            folder=folder,
            next_step=max([before.next_step, *(writer["next_step"] for writer in own)]),
            first_step=min([before.first_step, *(_whole(start, "start_step") for start in starts)])
            if past
            else min((_whole(start, "start_step") for start in starts), default=0),
            runtime_nanos=max(before.runtime_nanos, _nanos(summary.get("_runtime"))),
            generation=max(
                [before.generation, *(_whole(start, "generation") + 1 for start in starts)]
            ),
            writers=[*before.writers, *(writer["writer"] for writer in own)],
            config={**before.config, **log.config()},
            base=[*before.base, base],
            others=[*before.others, others],
            facts=starts[-1] if starts else before.facts,
        )
    return past


def _is_resumed(writer: dict[str, Any]) -> bool:
    start = writer["start"]
    return start is not None and start.get("resumed") is True


def _folders(settings: Settings, facts: Facts) -> Iterator[Path]:
    """The run's folders on this machine, oldest first."""
    root = _folder.root_in(settings.dir)
    identity = {"run": facts.id, "entity": settings.entity, "project": settings.project}
    for folder in sorted(root.glob(f"*-{glob.escape(facts.id)}*")):
        try:
            known = json.loads((folder / "run.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue  # no run's folder
        if not folder.is_symlink() and identity.items() <= known.items():
            yield folder


def _ask_server(
    settings: Settings, facts: Facts, label: str | None, *, moment: Moment | None
) -> Past | None:
    """What the server knows.

    Raises:
        ServerError: It cannot be asked, or does not answer as a steplog server does.
    """
    entity, project, run = (
        quote(part, safe="") for part in (settings.entity, settings.project, facts.id)
    )
    base_url = settings.base_url.rstrip("/")
    url = f"{base_url}/api/v1/projects/{entity}/{project}/runs/{run}"
    if moment is not None:
        url += f"?before={moment.next_step}"
        url += "" if label is None else f"&label={quote(label, safe='')}"
    try:
        key = settings.api_key or key_from_file(base_url)
    except UsageError as error:
        raise ServerError(f"the server cannot be asked: {error}") from error
    try:
        said: Any = unpack_value(
            ask(
                url,
                key,
                ca_file=settings.ca_file,
                timeout_secs=settings.resume_timeout_secs,
                accept="application/msgpack",
            ).body
        )
    except RefusedError as error:
        if error.status == 404:  # noqa: PLR2004  # not found
            return None
        raise
    except ValueError as error:
        raise ServerError(f"the server cannot be understood: {error}: {url}") from error
    if not _is_run(said):
        raise ServerError(f"the server cannot be understood: its answer is no run: {url}")
    try:
        return _remote_past(said, label)
    except (ValueError, StorageError) as error:
        raise ServerError(
            f"the server cannot be understood: its summary is none: {error}: {url}"
        ) from error


def _remote_past(said: dict[str, Any], label: str | None) -> Past:
    """What a server's answer says of a run.

    Raises:
        ValueError: A state of its summary is none.
        StorageError: The same.
    """
    own = [writer for writer in said["writers"] if label is None or writer["label"] == label]
    states: dict[bool, list[bytes]] = {True: [], False: []}
    for whose, state in said["summary_states"]:
        states[label is None or whose == label].append(bytes.fromhex(state))
    merge_summaries(states[False])  # refused here, not when the log is begun
    alike = [
        writer for writer in said["writers"] if label is None or _is_alike(writer["label"], label)
    ]
    return Past(
        next_step=max((writer["next_step"] for writer in alike), default=0),
        # A fork shows what it took over as its own.
        first_step=0 if label is None else min((one["start_step"] for one in own), default=0),
        runtime_nanos=_nanos(merge_summaries(states[True])[0].get("_runtime")),
        generation=max([_whole(writer, "generation") + 1 for writer in own], default=0),
        writers=[writer["writer"] for writer in own],
        config=said["config"],
        base=states[True],
        others=states[False],
        facts=said,
        is_running=said.get("state") == "running",
    )


def _is_run(said: object) -> bool:
    """Whether an answer has all that is taken from it, and as it must be."""
    if not isinstance(said, dict):
        return False
    states, config, tags = said.get("summary_states"), said.get("config"), said.get("tags")
    return (
        _is_list(said.get("writers"), _is_writer)
        and _is_list(states, lambda one: _is_list(one, _is_text) and len(one) == 2)  # noqa: PLR2004  # label and state
        and isinstance(config, dict)
        and all(map(_is_text, config))
        and (tags is None or _is_list(tags, _is_text))
        and all(
            said.get(name) is None or _is_text(said[name])
            for name in ("name", "notes", "group", "job_type")
        )
    )


def _is_list(value: object, is_one: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(is_one, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_writer(value: object) -> bool:
    return (
        isinstance(value, dict)
        and _is_text(value.get("label"))
        and _is_text(value.get("writer"))
        and _is_count(value.get("next_step"), _MAX_STEP)
        and _is_count(value.get("start_step"), _MAX_STEP)
        and _is_count(value.get("generation", 0), _MAX_GENERATION)
    )


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and 0 <= value <= most


def _is_alike(label: str, asked: str) -> bool:
    """Whether a label is this one, or was given to a later process that asked for it."""
    prefix = f"{asked}-" if asked else ""
    return label == asked or (label.startswith(prefix) and label[len(prefix) :].isdecimal())


def _nanos(seconds: object) -> int:
    if isinstance(seconds, (int, float)) and 0 < seconds <= _MAX_RUNTIME_SECS:
        return int(seconds * 1e9)
    return 0


def _whole(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else 0


def noted_id(settings: Settings) -> str:
    """The id of this folder's run that has not come to a good end, else a new one.

    What a run was ended with may have been put right later, when the process had ended: its log
    says so.
    """
    root = _folder.root_in(settings.dir)
    note = _folder.read_note(root)
    if not note or ("writer" in note and _has_ended_well(root / note["folder"], note["writer"])):
        return new_id()
    return note["run_id"]


def _has_ended_well(folder: Path, writer: str) -> bool:
    if not (folder / "wal" / writer).is_dir():
        return True  # as it was noted; nothing says otherwise
    found = [one for one in RunLog(folder).writers() if one["writer"] == writer]
    return all(one["exit_code"] == 0 for one in found)
