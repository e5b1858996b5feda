"""Sounds in a run's log."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import sys
import wave
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import steplog
from steplog._core import RunLog
from steplog.data import wave_file

RANDOM = np.random.default_rng(4)
SAMPLES = RANDOM.integers(-32768, 32768, (800, 2), dtype=np.int16)


@pytest.fixture
def logged(start, media_of):
    """Logs a value; gives what its row says, and the files."""

    def log(value):
        with start() as run:
            run.log({"tone": value})
        rows: list[Any] = list(RunLog(run.sync_dir).rows())
        return rows[0]["tone"], media_of(run.sync_dir)

    return log


def samples_of(content):
    """The samples of a file, by the reference's own library."""
    found, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    return found, rate


def file_of(samples, **arguments):
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, **arguments)
    return file.getvalue()


def test_a_sound_is_what_the_reference_makes_of_it(logged):
    value, files = logged(steplog.Audio(SAMPLES, sample_rate=8000, caption="tone"))
    (content,) = files.values()
    sha256 = hashlib.sha256(content).hexdigest()
    assert value == {
        "_type": "audio-file",
        "path": f"media/audio/tone_0_{sha256[:20]}.wav",
        "sha256": sha256,
        "size": 44 + SAMPLES.nbytes,
        "caption": "tone",
        "sample_rate": 8000,
        "duration": 0.1,
    }
    found, rate = samples_of(content)
    assert np.array_equal(found, SAMPLES)
    assert rate == 8000


def test_a_list_says_rates_durations_and_captions(logged):
    sounds = [
        steplog.Audio(SAMPLES, 8000),
        steplog.Audio(SAMPLES[:400], 4000, "b"),
        steplog.Audio(b"what is this"),
    ]
    value, _ = logged(sounds)
    assert [sound["_type"] for sound in value.pop("audio")] == ["audio-file"] * 3
    assert value == {
        "_type": "audio",
        "count": 3,
        "sampleRates": [8000, 4000, None],
        "durations": [0.1, 0.1, None],
        "captions": ["", "b", ""],
    }
    assert "captions" not in logged([steplog.Audio(SAMPLES, 8000)])[0]


FLOATS = RANDOM.uniform(-1, 1, 300)


@pytest.mark.parametrize("kind", ["float64", "float32", "float16"])
def test_floats_become_what_the_reference_writes(logged, kind):
    floats = FLOATS.astype(kind)
    _, files = logged(steplog.Audio(floats, 8000))
    (content,) = files.values()
    expected = samples_of(file_of(floats.astype(np.float32), format="WAV", subtype="PCM_16"))[0]
    assert np.abs(samples_of(content)[0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([-128, 0, 127], np.int8), [-32768, 0, 32512]),
        (np.array([0, 128, 255], np.uint8), [-32768, 0, 32512]),
        (np.array([0, 32768, 65535], np.uint16), [-32768, 0, 32767]),
        (np.array([-(2**31), 0, 2**31 - 1], np.int32), [-32768, 0, 32767]),
        (np.array([0, 2**31, 2**32 - 1], np.uint32), [-32768, 0, 32767]),
        ([-3, 0, 40_000], [-3, 0, 32767]),
        ([-1.0, 0, 0.5, 1, 7, -7, float("inf")], [-32768, 0, 16384, *[32767] * 2, -32768, 32767]),
        (np.array([np.nan, 1.0]), [0, 32767]),
        ([[0.0, 1.0]], [[0, 32767]]),
    ],
)
def test_numbers_become_samples(logged, samples, expected):
    _, files = logged(steplog.Audio(samples, 8000))
    assert samples_of(*files.values())[0].tolist() == expected


@pytest.mark.parametrize("samples", [[0.0, 2.0], [0.0, float("nan")], [40_000]])
def test_what_is_cut_is_warned_about_once(start, capfd, samples):
    with start(settings={"quiet": False}) as run:
        for _ in range(2):
            run.log({"tone": steplog.Audio(samples, 8000)})
    err = capfd.readouterr().err
    assert err.count("they are cut") + err.count("it is silent") == 1


def test_no_samples_are_a_sound_of_no_length(logged):
    value, files = logged(steplog.Audio([], 8000))
    assert (value["duration"], value["size"]) == (0, 44)
    assert samples_of(*files.values())[0].size == 0


def test_files_are_kept_as_they_are(logged, tmp_path):
    stereo = np.zeros((800, 2), np.float32)
    made = {
        "wav": file_of(stereo, format="WAV", subtype="FLOAT"),
        "flac": file_of(stereo, format="FLAC"),
        "ogg": file_of(stereo, format="OGG"),
        "mp3": file_of(stereo, format="MP3"),
    }
    for kind, content in made.items():
        path = tmp_path / f"tone.{kind}"
        path.write_bytes(content)
        sounds = [steplog.Audio(path), steplog.Audio(str(path)), steplog.Audio(io.BytesIO(content))]
        with path.open("rb") as opened:
            sounds.append(steplog.Audio(opened))
        path.unlink()
        value, files = logged(sounds)
        assert set(files.values()) == {content}
        assert value["sampleRates"] == [8000] * 4
        assert value["durations"] == pytest.approx([0.1] * 4, abs=0.05)
        assert value["audio"][0]["path"].endswith(f".{kind}")


def test_without_soundfile_only_wav_says_what_it_is(logged, monkeypatch):
    made = [file_of(SAMPLES, format=kind) for kind in ("WAV", "FLAC")]
    monkeypatch.setitem(sys.modules, "soundfile", None)
    value, _ = logged([*map(steplog.Audio, made)])
    assert (value["sampleRates"], value["durations"]) == ([8000, None], [0.1, None])


@given(st.binary(max_size=80), st.integers(0, 60))
def test_a_torn_or_hostile_wav_is_read_to_an_end(rest, cut):
    content = wave_file.encode(np.zeros(8, np.int16), 8000, pytest.fail)
    for hostile in (content[:cut], content[:cut] + rest, b"RIFF\0\0\0\0WAVE" + rest):
        found = wave_file.facts(hostile)
        assert found is None or found[0] > 0
    assert wave_file.facts(content) == (8000, 0.001)
    huge = content[:40] + struct.pack("<I", 0xFFFFFFFF) + content[44:]
    assert wave_file.facts(huge) == (8000, 0.001)


@given(st.lists(st.integers(-32768, 32767), max_size=50), st.integers(1, 2**31))
def test_samples_come_back(samples, rate):
    rate = min(rate, 2**31 - 1)
    content = wave_file.encode(np.array(samples, np.int16), rate, pytest.fail)
    with wave.open(io.BytesIO(content)) as opened:
        assert opened.getframerate() == rate
        frames = opened.readframes(opened.getnframes())
    assert np.frombuffer(frames, "<i2").tolist() == samples


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (([0.1],), steplog.UsageError, "needs sample_rate"),
        (([0.1], 0), steplog.UsageError, "sample_rate"),
        (([0.1], 2**32), steplog.UsageError, "sample_rate"),
        (([0.1], 8000.5), TypeError, "sample_rate"),
        (([0.1], "8000"), TypeError, "sample_rate"),
        (([0.1], True), TypeError, "sample_rate"),
        ((np.zeros((2, 44100)), 44100), steplog.UsageError, "samples, channels"),
        ((np.zeros((4, 0)), 44100), steplog.UsageError, "samples, channels"),
        ((np.zeros((1, 1, 1)), 44100), steplog.UsageError, "samples, channels"),
        ((np.float32(1), 44100), steplog.UsageError, "samples, channels"),
        ((np.zeros((4, 1024)), 2**31), steplog.UsageError, "1024 channels"),
        ((np.broadcast_to(np.float32(0), 10**12), 8000), steplog.UsageError, "MiB"),
        ((["a"], 8000), TypeError, "numbers"),
        (([True], 8000), TypeError, "numbers"),
        (([1j], 8000), TypeError, "numbers"),
        (([[1], [1, 2]], 8000), TypeError, "numbers"),
        ((None,), TypeError, "NoneType"),
        (("none.wav",), steplog.UsageError, "No such file"),
        ((os.devnull,), steplog.UsageError, "files alone"),
        (("s3://bucket/a.wav",), steplog.UsageError, "no references"),
    ],
)
def test_what_is_no_sound_is_refused(arguments, kind, text):
    with pytest.raises(kind, match=text) as caught:
        steplog.Audio(*arguments)
    assert isinstance(caught.value, ValueError)


def test_what_the_program_writes_afterwards_changes_nothing(logged):
    samples = SAMPLES.copy()
    sound = steplog.Audio(samples, 8000)
    samples[:] = 0
    _, files = logged(sound)
    assert np.array_equal(samples_of(*files.values())[0], SAMPLES)
