"""When the log finds no room: what is kept, what is told, and who decides."""

from __future__ import annotations

import errno
import shlex
import shutil

import pytest

import steplog
from steplog._writer import RunLog

FILLER = {"text": "x" * 1000}


def fill(run):
    """Log until a row is lost; gives the numbers of those that are not."""
    kept: list[int] = []
    while not run.status()["lost"]:
        number = len(kept)
        run.log({"a": number, **FILLER})
        kept.append(number)
        assert number < 10_000
    return kept[:-1]


def test_unsent_records_stop_at_their_limit_and_what_was_taken_stays(start, capsys):
    run = start(settings={"max_unsent_bytes": 3 << 20})
    kept = fill(run)
    run.summary["b"] = 1
    run.finish()
    (warning, owed, last) = capsys.readouterr().err.splitlines()
    assert "not recorded yet, and tried again: the log takes no more" in owed
    assert "values are lost: the log takes no more: the limit for records that are not" in warning
    assert "3145728 bytes" in warning
    assert last == "steplog: warning: not recorded: 3 lost"
    log = RunLog(run.sync_dir)
    assert [row["a"] for row in log.rows()] == kept
    # Nearly all of what is allowed is used, and a run that ends has said so.
    assert (2.8 * (1 << 20)) / len(FILLER["text"]) < len(kept) < (3 << 20) / len(FILLER["text"])
    assert log.writers()[0]["exit_code"] == 0


def test_a_run_that_is_to_raise_raises_from_the_call(start):
    settings = {"max_unsent_bytes": 1 << 20, "storage_errors": "raise"}
    with start(settings=settings) as run:
        with pytest.raises(steplog.StorageError, match="the log takes no more") as caught:
            fill(run)
        assert caught.value.errno == errno.EDQUOT
        with pytest.raises(steplog.StorageError):
            run.config["x"] = FILLER
        with pytest.raises(steplog.StorageError):
            run.define_metric("a", summary="max")
        assert run.status()["lost"] >= 3
    assert RunLog(run.sync_dir).row_count > 900


@pytest.mark.anyio
async def test_alog_raises_as_log_does(start):
    settings = {"max_unsent_bytes": 1 << 20, "storage_errors": "raise"}
    async with start(settings=settings) as run:

        async def fill_up():
            for _ in range(10_000):
                await run.alog(FILLER)

        with pytest.raises(steplog.StorageError):
            await fill_up()


@pytest.mark.parametrize("bad", [1, (1 << 20) - 1, -1, 1 << 63, 1.5, True, "many"])
def test_a_limit_that_is_none_is_refused(bad, monkeypatch):
    with pytest.raises(steplog.UsageError, match="max_unsent_bytes must be"):
        steplog.Settings(max_unsent_bytes=bad)
    monkeypatch.setenv("STEPLOG_MAX_UNSENT_BYTES", str(bad))
    with pytest.raises(steplog.UsageError, match=r"max_unsent_bytes must be.*STEPLOG_MAX_UNSENT"):
        steplog.init(mode="offline")


def test_a_limit_from_the_environment_counts(start, monkeypatch):
    monkeypatch.setenv("STEPLOG_MAX_UNSENT_BYTES", str(1 << 20))
    with start() as run:
        assert len(fill(run)) < 1100


def test_how_to_take_a_full_disk_is_one_of_two():
    with pytest.raises(steplog.UsageError, match="storage_errors must be warn or raise"):
        steplog.Settings(storage_errors="ignore")  # type: ignore[arg-type]  # that is the test


@pytest.mark.anyio
@pytest.mark.parametrize("mapped", [True, False])
async def test_no_ack_is_given_for_a_record_that_is_lost(start, mapped):
    async with start(settings={"max_unsent_bytes": 1 << 20, "mapped": mapped}) as run:
        await run.alog({"a": 1}, ack="disk")
        run.flush()
        fill(run)
        with pytest.raises(steplog.StorageError, match="the log takes no more"):
            await run.alog(FILLER, ack="disk")
        with pytest.raises(steplog.StorageError, match="2 records lost"):
            run.flush()
        run.flush()  # nothing more is lost
        await run.aflush()
        run.log(FILLER)
        with pytest.raises(steplog.StorageError, match="1 record lost"):
            await run.aflush()


def test_flush_does_not_wait_for_a_disk_that_has_failed(start):
    hour_secs = 3600.0
    run = start(settings={"mapped": False})
    run.log({"a": 1})
    run.flush(hour_secs)
    shutil.rmtree(run.sync_dir)
    run.log({"a": 2})
    with pytest.raises(steplog.StorageError, match="not on the disk: cannot sync"):
        run.flush(hour_secs)
    run.finish()


def test_the_command_that_sends_a_run_names_its_server_and_can_be_pasted(tmp_path, capsys):
    folder = tmp_path / "my dir; echo"
    folder.mkdir()
    settings = {"base_url": "http://127.0.0.1:9", "api_key": "k" * 40}
    run = steplog.init(dir=str(folder), settings=settings)
    run.finish()
    last = capsys.readouterr().err.splitlines()[-1]
    command = last.partition("send it with: ")[2]
    assert shlex.split(command) == [
        "steplog",
        "sync",
        run.sync_dir,
        "--base-url",
        settings["base_url"],
    ]
