"""What loggers of `logging` say, in the run's output."""

from __future__ import annotations

import logging
import os

import pytest

import steplog

OUTPUT = 11


@pytest.fixture
def printed(records_of):
    """Gives the text of a run's output."""
    return lambda run: "".join(
        record[3] for record in records_of(run.sync_dir) if record[0] == OUTPUT
    )


@pytest.fixture
def logger():
    """A logger that nobody else listens to."""
    logger = logging.getLogger("steplog-test")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.propagate = True


def test_loggers_are_taken_from_their_level_on(start, logger, printed):
    before = list(logger.handlers)  # pytest may have some
    with start(settings={"capture_loggers": {"steplog-test": "INFO"}}) as run:
        logger.debug("too little")
        logger.info("step %d", 7)
        logging.getLogger("steplog-test.below").warning("half a pair: \ud800")
        try:
            float("none")
        except ValueError:
            logger.exception("failed")
        if os.fork() == 0:
            logger.info("in a child")
            os._exit(0)
        os.wait()
    logger.info("later")
    text = printed(run)
    assert text.startswith(
        "INFO:steplog-test:step 7\n"
        "WARNING:steplog-test.below:half a pair: \N{REPLACEMENT CHARACTER}\n"
        "ERROR:steplog-test:failed\nTraceback (most recent call last):\n"
    )
    assert text.endswith("ValueError: could not convert string to float: 'none'\n")
    assert logger.handlers == before


@pytest.mark.parametrize("wanted", ["root=INFO", ["root=20"], {"root": 20}, {"root": "info"}])
def test_the_root_logger_is_one_of_them(start, printed, wanted):
    with start(settings={"capture_loggers": wanted}) as run:
        logging.getLogger().error("said")
    assert printed(run) == "ERROR:root:said\n"


def test_a_record_is_taken_once(start, logger, printed, *, monkeypatch):
    monkeypatch.setattr(logger, "propagate", True)
    wanted = {"root": "ERROR", "steplog-test": "WARNING", "steplog-test.below": "INFO"}
    with start(settings={"capture_loggers": wanted}) as run:
        logging.getLogger("steplog-test.below").info("one")
        logging.getLogger("steplog-test.below").error("two")
        logging.getLogger("steplog-test").info("too little")
    assert printed(run) == "INFO:steplog-test.below:one\nERROR:steplog-test.below:two\n"


@pytest.mark.parametrize("console", ["wrap", "redirect"])
def test_what_is_printed_anyway_is_not_taken_once_more(run_program, records_of, console):
    folder, said = run_program(
        "import logging, steplog, sys\n"
        f"settings = {{'capture_loggers': 'root=INFO', 'silent': True, 'console': {console!r}}}\n"
        "run = steplog.init(mode='offline', dir=sys.argv[1], settings=settings)\n"
        "logging.getLogger('loud').warning('by the last resort')\n"
        "logging.getLogger('quiet').addHandler(logging.NullHandler())\n"
        "logging.getLogger('quiet').warning('by nobody')\n"
        "print('end')\n",
        returncode=0,
    )
    assert said == "by the last resort\n"
    taken = [record[3] for record in records_of(folder) if record[0] == OUTPUT]
    assert sorted("".join(taken).splitlines()) == [
        *("WARNING:quiet:by nobody", "by the last resort", "end"),
    ]


@pytest.mark.parametrize("capture", ["", "root=INFO, lib=INFO"])
@pytest.mark.parametrize(
    "config", ["", "logging.basicConfig(level=logging.INFO, format='MY %(message)s')"]
)
def test_the_program_prints_what_it_prints_without(run_program, capture, config):
    _, said = run_program(
        "import logging, steplog, sys\n"
        f"settings = {{'capture_loggers': {capture!r}, 'silent': True}}\n"
        "run = steplog.init(mode='offline', dir=sys.argv[1], settings=settings)\n"
        f"{config}\n"
        f"if {bool(config)}: logging.info('started')\n"
        "logging.getLogger('lib').warning('careful')\n"
        "logging.getLogger('lib.below').info('little')\n",
        returncode=0,
    )
    assert said == ("MY started\nMY careful\nMY little\n" if config else "careful\n")


@pytest.mark.parametrize("wanted", ["root", "=INFO", "root=LOUD", {"root": None}, ["a=INFO", "b"]])
def test_what_is_no_logger_with_a_level_is_refused(wanted):
    with pytest.raises(steplog.UsageError, match="capture_loggers must be names with levels"):
        steplog.Settings(capture_loggers=wanted)


def test_a_message_that_cannot_be_made_ends_nothing(run_program):
    _, said = run_program(
        "import logging, steplog, sys\n"
        "settings = {'capture_loggers': 'root=INFO', 'quiet': True}\n"
        "run = steplog.init(mode='offline', dir=sys.argv[1], settings=settings)\n"
        "logging.getLogger().error('%d', 'no number')\n",
        returncode=0,
    )
    assert "--- Logging error ---" in said
