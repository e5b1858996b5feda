"""`init` and the module-level functions: sugar over the current run."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

from steplog import _branch, _containers, _resume, _settings
from steplog._errors import ArgumentTypeError, UsageError
from steplog._facts import Facts
from steplog._notices import Notices
from steplog._run import Ack, Run
from steplog._settings import Mode, Settings, resolve
from steplog._terminal import is_notebook
from steplog._turns import prepare

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta
    from typing import TextIO

    from steplog._alerts import AlertLevel
    from steplog._metric import Metric
    from steplog._save_paths import Policy
    from steplog.artifacts import Artifact

Reinit = Literal["default", "return_previous", "finish_previous", "create_new"]

_current: ContextVar[Run | None] = ContextVar("steplog_run", default=None)
_latest: Run | None = None


def init(
    entity: str | None = None,
    project: str | None = None,
    *,
    dir: str | os.PathLike[str] | None = None,
    id: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    config: object = None,
    config_exclude_keys: Iterable[str] | None = None,
    config_include_keys: Iterable[str] | None = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: Mode | Literal["dryrun", "run"] | None = None,
    reinit: Reinit | bool | None = None,
    resume: bool | str | None = None,
    resume_from: str | None = None,
    fork_from: str | None = None,
    force: bool | None = None,
    anonymous: str | None = None,
    save_code: bool | None = None,
    tensorboard: bool | None = None,
    sync_tensorboard: bool | None = None,
    monitor_gym: bool | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    **unknown: NoReturn,
) -> Run:
    """Start a run and make it the current one of this context, and of contexts without one.

    Where a run of this context is not finished yet, `reinit` decides.

    Returns once the run's folder and its first record exist; never waits for the network.

    Args:
        entity: Owner of the project; `local` by default.
        project: Project; `uncategorized` by default.
        dir: Folder in which `steplog-runs` is created; the working directory by default.
        id: Run id, unique in the project; random by default.
        name: Display name; the id by default.
        notes: A description.
        tags: Labels for finding the run.
        config: Hyperparameters: a mapping, a Namespace, flags, a dataclass, a model or another
            object with attributes, or the path of a YAML file; see docs/config.md. Those of
            `config-defaults.yaml` in the working directory come first.
        config_exclude_keys: Keys of `config` to leave out.
        config_include_keys: The only keys of `config` to take.
        allow_val_change: Whether config keys may get another value later; true in notebooks by
            default, else false.
        group: Runs that belong together; a number is spelled.
        job_type: Kind of work, such as `train`.
        mode: `online`, `offline` or `disabled`.
        reinit: What happens to a run of this context that is not finished: `return_previous` gives
            that one, all other arguments ignored; `finish_previous` finishes it; `create_new`
            starts another beside it, which is nobody's current run. By default notebooks finish
            the previous one, and scripts get it.
        resume: Go on with the run of this id, where its last step ended: `allow` if there is one,
            `must`, `never`, or `auto` (or True): the last run in this folder that was begun so, if
            it has not come to a good end. The run's folders on this machine are looked at, and
            online the server, which is waited for up to `Settings.resume_timeout_secs`, 5 s by
            default.
        resume_from: Go back: the run and step behind which this goes on, as `"a1b2c3?_step=200"`.
            Its values behind that step are masked, and no longer in charts, rows and summary.
        fork_from: The same, as another run: it begins with the rows, summary and config of the
            first one up to that step, and leaves it as it is.
        save_code: Record how the files differ from the commit; see docs/capture.md.
        force: Accepted, and does nothing yet, as the following ones.
        anonymous: See `force`.
        tensorboard: See `force`.
        sync_tensorboard: See `force`.
        monitor_gym: See `force`.
        settings: Everything else, and defaults for the above, such as
            `settings={"console": "redirect"}`.
        unknown: There is no other argument.

    Raises:
        UsageError: An argument or setting is out of range.
        ConfigError: The config is in a file that cannot be read.
        ArgumentTypeError: One is of a type that it cannot have.
        ServerError: `resume="must"`, `resume_from` or `fork_from`, and only the server could know
            the run, which does not answer, or not as a steplog server does.
        StorageError: Neither the folder nor the temporary folder can be written.
    """
    _refuse_unknown(unknown)
    how, way = _check_reinit(reinit), _resume.check_way(resume)
    back = _branch.Back.of(way, resume_from=resume_from, fork_from=fork_from)
    previous = _settle_previous(how, back.argument if back else f'resume="{way}"' * (way == "must"))
    if previous is not None:
        return previous
    given = {
        "entity": entity,
        "project": project,
        "dir": dir,
        "mode": mode,
        "save_code": save_code,
    }
    resolved = resolve(settings, **given)
    way = "" if back else way or resolved.resume
    run_id = resolved.run_id if id is None else id
    if back:
        run_id = back.id_of(run_id)
    elif way == "auto" and run_id is None:
        run_id = _resume.noted_id(resolved)
    facts = Facts.of(
        resolved, id=run_id, name=name, notes=notes, tags=tags, group=group, job_type=job_type
    )
    past, warning = None, ""
    if back:
        past, warning = back.find(resolved, facts)
    elif way:
        past, warning = _resume.find(resolved, facts, way)
    run = Run(
        resolved,
        facts=facts,
        past=past,
        config=_containers.read_first(
            config, exclude=config_exclude_keys, include=config_include_keys
        ),
        allow_val_change=allow_val_change,
    )
    if warning:
        Notices(resolved).warn("", warning)
    for variable, near in _settings.misspelled():
        Notices(resolved).warn("", f"{variable} is no setting; did you mean {near}?")
    if way == "auto":
        run.note_for_resume()
    _warn_of_idle(
        resolved,
        force=force,
        anonymous=anonymous,
        tensorboard=tensorboard,
        sync_tensorboard=sync_tensorboard,
        monitor_gym=monitor_gym,
    )
    if how != "create_new":
        _make_current(run)
    prepare()
    run.start_capture()
    return run


def _refuse_unknown(arguments: Iterable[str]) -> None:
    for name in arguments:
        said = f"init() got an unexpected keyword argument {name!r}"
        if name in _settings.FIELDS:
            said += f': it is a setting, settings={{"{name}": …}} or {_settings.VARIABLES[name]}'
        raise ArgumentTypeError(said)


def _settle_previous(how: str, must: str) -> Run | None:
    """The run of this context that is to be returned; one that is to be finished is finished.

    Raises:
        UsageError: It is to be returned, but `must` says that another run must go on.
    """
    previous = _current.get()
    if previous is None or previous.is_finished:
        return None
    if must and how == "return_previous":
        raise UsageError(f"{must}: the run {previous.name} is not finished yet")
    if how == "return_previous":
        previous.tell_that_it_goes_on()
        return previous
    if how == "finish_previous":
        previous.finish()
    return None


def _check_reinit(reinit: object) -> str:
    if reinit in (None, "default"):
        return "finish_previous" if is_notebook() else "return_previous"
    if isinstance(reinit, bool):
        return "finish_previous" if reinit else "return_previous"
    if reinit not in get_args(Reinit):
        raise UsageError(f"reinit must be one of {', '.join(get_args(Reinit))}, got {reinit!r}")
    return str(reinit)


def _warn_of_idle(settings: Settings, **arguments: object) -> None:
    given = [f"{name}={value!r}" for name, value in arguments.items() if value and value != "never"]
    if given:
        Notices(settings).warn("", f"init({', '.join(given)}) does nothing yet")


def _make_current(run: Run) -> None:
    global _latest  # noqa: PLW0603  # the process has one, as its users expect
    _current.set(run)
    _latest = run


def find_current() -> Run | None:
    """This context's run; where it never had one, as in a new thread, the latest of the process.

    A run that is finished is nobody's current run, and another context's is not taken in its place.
    """
    own = _current.get()
    run = _latest if own is None else own
    # At interpreter exit a daemon thread may still log: that comes too late, and is no error.
    return None if run is None or (run.is_finished and not run.is_too_late) else run


def current_run() -> Run:
    """The current run.

    Raises:
        UsageError: There is none: call `init` first.
    """
    run = find_current()
    if run is None:
        raise UsageError("there is no run: call steplog.init() first")
    return run


def log(data: Mapping[str, object], step: int | None = None, commit: bool | None = None) -> None:
    """Record values of the current run; see `Run.log`."""
    current_run().log(data, step, commit)


async def alog(
    data: Mapping[str, object],
    step: int | None = None,
    commit: bool | None = None,
    *,
    ack: Ack = "log",
) -> None:
    """Record values of the current run; see `Run.alog`."""
    await current_run().alog(data, step, commit, ack=ack)


def define_metric(
    name: str,
    step_metric: str | Metric | None = None,
    *,
    step_sync: bool | None = None,
    hidden: bool | None = None,
    summary: str | None = None,
    goal: str | None = None,
    overwrite: bool | None = None,
) -> Metric:
    """Say how a key of the current run is drawn and summarised; see `Run.define_metric`."""
    return current_run().define_metric(
        name,
        step_metric,
        step_sync=step_sync,
        hidden=hidden,
        summary=summary,
        goal=goal,
        overwrite=overwrite,
    )


def alert(  # noqa: PLR0917  # as in the reference
    title: str,
    text: str = "",
    level: str | AlertLevel | None = None,
    wait_duration: float | timedelta | None = None,
) -> None:
    """Tell people something of the current run; see `Run.alert`."""
    current_run().alert(title, text, level, wait_duration)


def save(  # noqa: PLR0917  # as in the reference
    glob_str: str | os.PathLike[str],
    base_path: str | os.PathLike[str] | None = None,
    policy: Policy = "live",
    glob: bool = True,
) -> list[str]:
    """Have files go to the server with the current run; see `Run.save`."""
    return current_run().save(glob_str, base_path, policy, glob)


def log_code(  # noqa: PLR0917  # as in the reference
    root: str | os.PathLike[str] | None = ".",
    name: str | None = None,
    include_fn: Callable[[str], bool] | Callable[[str, str], bool] | None = None,
    exclude_fn: Callable[[str], bool] | Callable[[str, str], bool] | None = None,
) -> Artifact | None:
    """Record the code in a folder with the current run; see `Run.log_code`."""
    return current_run().log_code(root, name, include_fn, exclude_fn)


def log_artifact(  # noqa: PLR0917  # as in the reference
    artifact_or_path: Artifact | str | os.PathLike[str],
    name: str | None = None,
    type: str | None = None,
    aliases: Iterable[str] | None = None,
    tags: Iterable[str] | None = None,
) -> Artifact:
    """Log an artifact with the current run; see `Run.log_artifact`."""
    return current_run().log_artifact(artifact_or_path, name, type, aliases, tags)


async def alog_artifact(  # noqa: PLR0917  # as its twin
    artifact_or_path: Artifact | str | os.PathLike[str],
    name: str | None = None,
    type: str | None = None,
    aliases: Iterable[str] | None = None,
    tags: Iterable[str] | None = None,
) -> Artifact:
    """Log an artifact with the current run; see `Run.alog_artifact`."""
    return await current_run().alog_artifact(artifact_or_path, name, type, aliases, tags)


def use_artifact(  # noqa: PLR0917  # as in the reference
    artifact_or_name: Artifact | str,
    type: str | None = None,
    aliases: Iterable[str] | None = None,
    use_as: str | None = None,
) -> Artifact:
    """Say that the current run uses an artifact, and get it; see `Run.use_artifact`."""
    return current_run().use_artifact(artifact_or_name, type, aliases, use_as)


async def ause_artifact(  # noqa: PLR0917  # as its twin
    artifact_or_name: Artifact | str,
    type: str | None = None,
    aliases: Iterable[str] | None = None,
    use_as: str | None = None,
) -> Artifact:
    """Say that the current run uses an artifact; see `Run.ause_artifact`."""
    return await current_run().ause_artifact(artifact_or_name, type, aliases, use_as)


def link_artifact(
    artifact: Artifact, target_path: str, aliases: Iterable[str] | None = None
) -> Artifact:
    """Have an artifact in another collection, too; see `Run.link_artifact`."""
    return current_run().link_artifact(artifact, target_path, aliases)


def log_model(
    path: str | os.PathLike[str], name: str | None = None, aliases: Iterable[str] | None = None
) -> None:
    """Log a model with the current run; see `Run.log_model`."""
    current_run().log_model(path, name, aliases)


def use_model(name: str) -> str | None:
    """Use a model in the current run, and download it; see `Run.use_model`."""
    return current_run().use_model(name)


def link_model(  # noqa: PLR0917  # as in the reference
    path: str | os.PathLike[str],
    registered_model_name: str,
    name: str | None = None,
    aliases: Iterable[str] | None = None,
) -> Artifact | None:
    """Log a model, and have it in a collection of such; see `Run.link_model`."""
    return current_run().link_model(path, registered_model_name, name, aliases)


def restore(  # noqa: PLR0917  # as in the reference
    name: str,
    run_path: str | None = None,
    replace: bool = False,
    root: str | os.PathLike[str] | None = None,
) -> TextIO | None:
    """Open a file of the current run, or of another one; see `Run.restore`.

    Without a current run `run_path` says whose it is, and the file comes into the working directory
    unless `root` is given.

    Raises:
        UsageError: There is neither a current run nor a `run_path`; or as of `Run.restore`.
    """
    run = find_current()
    if run is not None:
        return run.restore(name, run_path, replace, root)
    if run_path is None:
        raise UsageError(
            "restore() needs a run_path, project/id, or a run: call steplog.init() first"
        )
    from steplog import _restore  # noqa: PLC0415  # few programs restore

    where = "." if root is None else root
    return _restore.restore(name, run_path, settings=resolve(None), replace=replace, root=where)


def watch(  # noqa: PLR0917  # as in the reference
    models: object,
    criterion: object = None,
    log: str | None = "gradients",
    log_freq: int = 1000,
    idx: int | None = None,
    log_graph: bool = False,
) -> None:
    """Record histograms of a model of torch with the current run; see `Run.watch`."""
    current_run().watch(models, criterion, log, log_freq, idx, log_graph)


def unwatch(models: object = None) -> None:
    """Record nothing more of models; see `Run.unwatch`."""
    current_run().unwatch(models)


def mark_preempting() -> None:
    """Say that this process is about to be preempted; see `Run.mark_preempting`."""
    current_run().mark_preempting()


def finish(
    exit_code: int | None = None, quiet: bool | None = None, *, timeout_secs: float | None = None
) -> None:
    """Finish the current run; without one nothing happens."""
    run = find_current()
    if run is not None:
        run.finish(exit_code, quiet, timeout_secs=timeout_secs)


async def afinish(
    exit_code: int | None = None, quiet: bool | None = None, *, timeout_secs: float | None = None
) -> None:
    """Finish the current run without blocking the event loop; without one nothing happens."""
    run = find_current()
    if run is not None:
        await run.afinish(exit_code, quiet, timeout_secs=timeout_secs)


def setup(settings: Settings | Mapping[str, Any] | None = None) -> None:
    """Check settings, as `init` will; nothing needs to be started before a run.

    Raises:
        UsageError: A setting is out of range.
        ArgumentTypeError: One is of a type that it cannot have.
    """
    resolve(settings)


def teardown(exit_code: int | None = None) -> None:
    """Finish this context's run; nothing else is kept between runs."""
    finish(exit_code)
