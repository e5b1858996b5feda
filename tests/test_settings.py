"""What sets a run up, and what wins: files, environment, `settings`, arguments."""

from __future__ import annotations

import dataclasses
import errno
import pathlib
import resource
from typing import Any

import pytest

import steplog
from steplog._core import RunLog
from steplog._settings import FALLBACKS, FIELDS, VARIABLES, resolve


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path, monkeypatch):
    for variable in [*VARIABLES.values(), *FALLBACKS.values()]:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path):
    """Writes a settings file, of the user or of the workspace; gives its path."""

    def write_file(folder, text):
        path = tmp_path / folder / "settings"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return write_file


def identity(run):
    return RunLog(run.sync_dir).writers()[0]["start"]


def test_later_sources_win_over_earlier_ones(write, monkeypatch):
    assert resolve(None) == steplog.Settings()
    seen = [resolve(None).project]
    write("config", "[default]\nproject = user\nquiet = on\n")
    seen.append(resolve(None).project)
    write("steplog-runs", "[default]\nproject = workspace\n")
    seen.append(resolve(None).project)
    monkeypatch.setenv("WANDB_PROJECT", "fallback")
    seen.append(resolve(None).project)
    monkeypatch.setenv("STEPLOG_PROJECT", "environment")
    seen.append(resolve(None).project)
    seen.append(resolve({"project": "settings"}).project)
    seen.append(resolve({"project": "settings"}, project="argument").project)
    assert seen == [
        *("uncategorized", "user", "workspace", "fallback", "environment", "settings", "argument")
    ]
    assert resolve(None).quiet is True


def test_every_setting_is_read_from_its_variable(monkeypatch):
    texts = {
        **dict.fromkeys(FIELDS, "text"),
        "base_url": "http://text",
        "mode": "dryrun",
        "late_steps": "merge",
        "resume": "must",
        "storage_errors": "raise",
        "console": "off",
        "max_unsent_bytes": "2000000",
        "batch_bytes": "2000000",
        "artifact_cache_bytes": "2000000",
        **{name: "a, b,," for name, field in FIELDS.items() if "tuple" in str(field.type)},
        "capture_loggers": "root=INFO, a=20",
        **{name: "On" for name, field in FIELDS.items() if field.type == "bool"},
        **{name: "2.5" for name, field in FIELDS.items() if field.type == "float"},
    }
    for name, text in texts.items():
        monkeypatch.setenv(VARIABLES[name], text)
    spelled = {
        "2000000": 2_000_000,
        "On": True,
        "2.5": 2.5,
        "dryrun": "offline",
        "a, b,,": ("a", "b"),
        "root=INFO, a=20": ("root=INFO", "a=20"),
    }
    assert dataclasses.asdict(resolve(None)) == {
        name: spelled.get(text, text) for name, text in texts.items()
    }


def test_what_names_a_run_can_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("STEPLOG_MODE", "offline")
    monkeypatch.setenv("STEPLOG_QUIET", "1")
    for name in ("RUN_ID", "NAME", "NOTES", "TAGS", "RUN_GROUP", "JOB_TYPE"):
        monkeypatch.setenv(f"STEPLOG_{name}", f"x{name}")
    with steplog.init() as run:
        said = identity(run)
    assert (said["run"], said["name"], said["notes"]) == ("xRUN_ID", "xNAME", "xNOTES")
    assert (said["tags"], said["group"], said["job_type"]) == (["xTAGS"], "xRUN_GROUP", "xJOB_TYPE")
    with steplog.init(
        id="a", name="n", notes="", tags=[], group="g", settings={"run_job_type": "s"}
    ) as run:
        said = identity(run)
    assert (said["run"], said["name"], said["notes"]) == ("a", "n", "")
    assert (said["tags"], said["group"], said["job_type"]) == ([], "g", "s")


def test_variables_of_wandb_are_read_where_ours_are_not_set(monkeypatch):
    texts = {"mode": "run", "quiet": "true", "silent": "false", "resume": "allow"}
    texts["save_code"] = "1"
    for name, variable in FALLBACKS.items():
        monkeypatch.setenv(variable, texts.get(name, f"x{name}"))
    monkeypatch.setenv("STEPLOG_ENTITY", "ours")
    monkeypatch.setenv("STEPLOG_PROJECT", "")
    settings = resolve(None)
    assert (settings.entity, settings.project, settings.run_id) == ("ours", "xproject", "xrun_id")
    assert (settings.mode, settings.quiet, settings.silent) == ("online", True, False)
    assert (settings.run_tags, settings.save_code) == (("xrun_tags",), True)
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert resolve(None).mode == "offline"


@pytest.mark.parametrize(
    ("text", "resume"),
    [("true", "auto"), ("True", "auto"), ("1", "auto"), ("false", ""), ("must", "must")],
)
def test_resume_can_be_true_or_false_in_the_environment(monkeypatch, text, resume):
    monkeypatch.setenv("WANDB_RESUME", text)
    assert resolve(None).resume == resume


@pytest.mark.parametrize(("text", "silent"), [("t", True), ("Y", True), ("f", False), ("n", False)])
def test_flags_may_be_one_letter(monkeypatch, text, silent):
    monkeypatch.setenv("WANDB_SILENT", text)
    assert resolve(None).silent is silent


def test_neither_key_nor_server_of_wandb_is_taken(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://elsewhere")
    assert resolve(None) == steplog.Settings()


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("STEPLOG_QUIET", "maybe", "quiet must be true or false, got 'maybe'"),
        ("STEPLOG_FSYNC_SECS", "soon", "fsync_secs must be a number, got 'soon'"),
        ("STEPLOG_FSYNC_SECS", "-1", "fsync_secs must be 0 to 1,000,000,000 seconds, got -1"),
        ("WANDB_MODE", "share", "mode must be online or offline or disabled, got 'share'"),
        ("WANDB_MODE", "shared", "mode shared is not there yet"),
        ("WANDB_PROJECT", "a/b", "must not hold any of"),
        ("STEPLOG_LABEL", "a\n", "label must have at most 128 bytes"),
        ("STEPLOG_API_KEY", "a b", "api_key must be printable ASCII"),
    ],
)
def test_a_variable_that_cannot_be_is_named(variable, text, *, reason, monkeypatch):
    monkeypatch.setenv(variable, text)
    with pytest.raises(steplog.UsageError, match=f"{reason}.*: {variable}$"):
        resolve(None)


@pytest.mark.parametrize("folder", ["config", "steplog-runs"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[default]\nfsync_sec = 1", "there is no setting 'fsync_sec'; did you mean fsync_secs"),
        ("[default]\nquiet = maybe", "quiet must be true or false"),
        ("[default]\nfsync_secs = inf", "fsync_secs must be 0 to"),
        ("[default]\nmode = sideways", "mode must be online"),
        ("[defaults]\nquiet = 1", r"one section \[default\], not \[defaults\]"),
        ("quiet = 1", "not INI"),
        ("[default]\nquiet = 1\nquiet = 0", "not INI"),
        ("[default]\nquiet", "not INI"),
    ],
)
def test_a_file_that_cannot_be_is_named(write, folder, *, text, reason):
    write(folder, text)
    with pytest.raises(steplog.UsageError, match=f"(?s){reason}.*{folder}/settings$"):
        steplog.init()


def test_a_file_that_cannot_be_read_is_named(write):
    path = write("config", "")
    assert resolve(None) == steplog.Settings()
    path.write_bytes(b"\xff")
    with pytest.raises(steplog.UsageError, match=r"cannot be read.*config/settings"):
        resolve(None)
    path.unlink()
    path.mkdir()
    with pytest.raises(steplog.UsageError, match=r"cannot be read.*config/settings"):
        resolve(None)


def test_a_lack_of_file_descriptors_is_no_mistake_in_a_file(write):
    path = write("config", "[default]\nquiet = 1\n")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(steplog.StorageError, match="settings file cannot be read") as caught:
            resolve(None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (caught.value.errno, caught.value.filename) == (errno.EMFILE, str(path))


def test_what_files_may_look_like(write):
    write(
        "config",
        "# mine\n[default]\nLABEL = 100%(x)s\nrun_tags: a, b\nrun_notes = two\n  lines\nentity =\n",
    )
    settings = resolve(None)
    assert (settings.label, settings.run_tags) == ("100%(x)s", ("a", "b"))
    assert (settings.run_notes, settings.entity) == ("two\nlines", "local")


def test_a_byte_order_mark_is_no_part_of_a_file(write):
    write("config", "\ufeff[default]\nlabel = a\n")
    assert resolve(None).label == "a"


PORTS = ["http://h:99999", "http://h:x", "http://[::1]:65536"]


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(steplog.UsageError, match="set api_key for https://host:1/a@b") as refused:
        steplog.Settings(base_url="https://me:secret@host:1/a@b")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "bad", ["", "foo", "ftp://x", "file:///etc", "http://", "http://a b", *PORTS]
)
def test_an_address_that_cannot_be_one_is_refused_offline_too(bad):
    with pytest.raises(steplog.UsageError, match="base_url must"):
        steplog.Settings(base_url=bad, mode="offline")


@pytest.mark.parametrize("name", ["base_url", "api_key", "ca_file"])
def test_a_workspace_cannot_say_who_gets_a_key(write, name):
    write("config", f"[default]\n{name} = http://mine\n")
    assert getattr(resolve(None), name) == "http://mine"
    write("steplog-runs", f"[default]\n{name} = http://theirs\n")
    with pytest.raises(steplog.UsageError, match=f"STEPLOG_{name.upper()}.*steplog-runs/settings$"):
        resolve(None)


@pytest.mark.parametrize(("old", "mode"), [("dryrun", "offline"), ("run", "online")])
def test_old_words_for_a_mode_are_understood(old, mode):
    assert resolve(None, mode=old).mode == mode
    assert resolve({"mode": old}).mode == mode
    assert resolve(steplog.Settings(mode=old)).mode == mode


def test_a_mode_that_is_none_is_refused():
    for mode in ("share", "", "ONLINE"):
        with pytest.raises(steplog.UsageError, match="mode must be"):
            resolve(None, mode=mode)
    with pytest.raises(steplog.ArgumentTypeError, match="mode must be text"):
        resolve(None, mode=["online"])


@pytest.mark.parametrize("settings", [True, "offline", 5, [("quiet", True)]], ids=str)
def test_settings_of_another_type_are_refused(settings):
    with pytest.raises(steplog.ArgumentTypeError, match="settings must be Settings or a mapping"):
        resolve(settings)


def test_tags_of_settings_are_one_or_several():
    assert resolve({"run_tags": "one"}).run_tags == ("one",)
    assert resolve({"run_tags": ["a", "b"]}).run_tags == ("a", "b")
    with pytest.raises(steplog.ArgumentTypeError, match="run_tags must be texts"):
        resolve({"run_tags": 5})


async def test_an_event_loop_may_start_a_run_with_settings_files(write, start):
    write("config", "[default]\nproject = user\n")
    async with start() as run:
        assert run.project == "user"


def test_a_setting_that_there_is_not_is_named_with_the_nearest():
    with pytest.raises(steplog.UsageError, match="no setting 'projct'; did you mean project"):
        steplog.Settings(projct="x")  # type: ignore[call-arg]  # that is the test


def test_a_misspelled_variable_is_warned_about_with_the_nearest(monkeypatch, tmp_path, capsys):
    for name in ("STEPLOG_PROJCT", "STEPLOG_RUN_NAME", "STEPLOG_OF_MY_OWN"):
        monkeypatch.setenv(name, "x")
    steplog.init(mode="offline", dir=str(tmp_path)).finish()
    said = capsys.readouterr().err
    assert "STEPLOG_PROJCT is no setting; did you mean STEPLOG_PROJECT?" in said
    assert "STEPLOG_RUN_NAME is no setting; did you mean STEPLOG_NAME?" in said
    assert "STEPLOG_OF_MY_OWN" not in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("run_id", "a/b", "run id"),
        ("run_tags", ("", "a"), "a tag must not be empty"),
        ("run_tags", ("a" * 65,), "at most 64 characters"),
        ("run_name", "\x07", "control characters"),
        ("run_notes", "x" * (1 << 21), "run_notes is over 1 MiB"),
    ],
)
def test_what_a_run_cannot_be_called_is_no_setting(name, value, said, *, monkeypatch):
    with pytest.raises(steplog.UsageError, match=said):
        steplog.Settings(**{name: value})
    if name == "run_id":
        monkeypatch.setenv("STEPLOG_RUN_ID", value)
        with pytest.raises(steplog.UsageError, match=r"run id.*STEPLOG_RUN_ID"):
            steplog.init(mode="disabled")


def test_a_user_without_a_home_and_one_in_anothers_have_no_file(tmp_path, monkeypatch):
    monkeypatch.delenv("STEPLOG_CONFIG_DIR")

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(pathlib.Path, "home", no_home)
    assert resolve(None).project == "uncategorized"
    monkeypatch.setattr(pathlib.Path, "home", lambda: tmp_path)
    path = tmp_path / ".config" / "steplog" / "settings"
    path.parent.mkdir(parents=True)
    path.write_text("[default]\nproject = theirs\n")

    read_text = pathlib.Path.read_text

    def refuse(self, *arguments):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return read_text(self, *arguments)

    monkeypatch.setattr(pathlib.Path, "read_text", refuse)
    assert resolve(None).project == "uncategorized"
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", str(path.parent))
    with pytest.raises(steplog.UsageError, match="cannot be read"):
        resolve(None)  # whoever names the folder wants to have it read


def test_a_text_of_several_parts_is_a_list():
    given: Any = {
        "secrets": "*FOO*, *BAR*",
        "environment": "MY_*",
        "stats_disk_paths": "/, /proc,",
        "capture_loggers": "root=INFO, uvicorn=DEBUG",
        "run_tags": "a, b",
    }
    settings = steplog.Settings(**given)
    assert settings.secrets == ("*FOO*", "*BAR*")
    assert settings.environment == ("MY_*",)
    assert settings.stats_disk_paths == ("/", "/proc")
    assert settings.capture_loggers == ("root=INFO", "uvicorn=DEBUG")
    assert settings.run_tags == ("a, b",)
