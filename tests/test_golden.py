"""The golden files: the script makes them, and two readers find in them what they say."""

from __future__ import annotations

import json
import pathlib
import struct
import subprocess
import sys

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest

from steplog import _core

GOLDEN = pathlib.Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text("utf-8"))
KNOWN_KINDS = {*range(8), 9, 10, 11, 12, 13, 14}
SEAL_KIND = 15
MAX_RECORD_BYTES = 12 << 20


def tagged(value):  # noqa: PLR0911  # one a type
    """The value as `expected.json` holds it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return f"int:{value}"
    if isinstance(value, float):
        return f"float:{struct.pack('>d', value).hex()}"
    if isinstance(value, bytes):
        return f"bin:{value.hex()}"
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items()}
    assert isinstance(value, str)
    return f"str:{value}"


# ---- a reader that knows docs/format.md, and nothing of steplog -------------------------------


def crc32c(data):
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F6_3B78 * (crc & 1))
    return crc ^ 0xFFFF_FFFF


def check_head(segment, number):
    magic, version, found, crc = struct.unpack_from("<8sHxxII", segment)
    assert (magic, version, found) == (b"\x89SLW\r\n\x1a\n", 1, number)
    assert crc == crc32c(segment[:16] + bytes(4) + segment[20:256])
    assert struct.unpack_from("<128p64p", segment, 24) == (b"golden", b"w-0001")


def payload_at(segment, number, offset):
    """The payload of the frame at an offset, if one that checks is there."""
    if offset + 8 > len(segment):
        return None
    length, crc = struct.unpack_from("<II", segment, offset)
    payload = segment[offset + 8 : offset + 8 + length]
    if not 0 < length <= MAX_RECORD_BYTES or len(payload) < length:
        return None
    checked = struct.pack("<III", number, offset, length) + payload
    return payload if crc == crc32c(checked) else None


def first_stray(segment, start, end):
    """Where the bytes begin that are neither zeros nor in a hole that is announced."""
    while start < end:
        length, coming = struct.unpack_from("<II", segment[start : start + 8].ljust(8, b"\0"))
        if length == 0 and 0 < coming <= MAX_RECORD_BYTES:
            start += 8 + coming + -coming % 8
        elif any(segment[start : start + 8]):
            return start
        else:
            start += 8
    return None


def is_damage(segment, start, end):
    """Whether the bytes between two frames, or behind the last, are what no crash leaves."""
    stray = first_stray(segment, start, end)
    if stray is None or end < len(segment):
        return stray is not None
    length = int.from_bytes(segment[stray : stray + 4], "little")
    return end - stray >= 8 and not end - stray < 8 + length <= 8 + MAX_RECORD_BYTES


def test_an_announced_hole_is_no_damage_and_excuses_nothing_behind_it():
    hole = struct.pack("<II", 0, 20) + b"x" * 24
    for tail, is_told in [(b"", False), (bytes(64), False), (b"y" * 64, True)]:
        assert is_damage(hole + tail, 0, len(hole + tail)) == is_told


def scan(segment, number):
    """The offsets and payloads of a segment, and the places of its damages."""
    found, damages = [], []
    start = at = 256
    while at < len(segment):
        payload = payload_at(segment, number, at)
        if payload is None:
            at += 8
            continue
        if is_damage(segment, start, at):
            damages.append({"segment": number, "offset": start, "end": at})
        found.append((at, payload))
        start = at = at + 8 + len(payload) + -len(payload) % 8
    if is_damage(segment, start, len(segment)):
        damages.append({"segment": number, "offset": start, "end": len(segment)})
    return found, damages


def big_integer(code, data):
    assert code == 1
    return int(data)


def read(folder):
    records, damages = [], []
    for path in sorted(folder.glob("wal/w-0001/*.wal")):
        segment, number = path.read_bytes(), int(path.stem)
        check_head(segment, number)
        found, damaged = scan(segment, number)
        damages += damaged
        for offset, payload in found:
            kind, *items = msgpack.unpackb(payload, ext_hook=big_integer)
            if kind == SEAL_KIND:
                ended = folder / "wal" / "w-0001" / f"{items[0]:08}.wal"
                assert ended.stat().st_size == items[1]
                continue
            record = {"position": number << 32 | offset, "kind": kind}
            if kind in KNOWN_KINDS:
                record["content"] = tagged(items)
            records.append(record)
    return {"records": records, "damages": damages}


@pytest.mark.parametrize("folder", EXPECTED)
def test_the_documented_format_is_enough_to_read_every_record(folder):
    expected = EXPECTED[folder]
    found = read(GOLDEN / folder)
    assert found == {"records": expected["records"], "damages": expected["damages"]}


# ---- steplog's own reader, and the script -----------------------------------------------------


@pytest.mark.parametrize("folder", EXPECTED)
def test_run_log_merges_the_records_and_reports_the_damages(folder):
    expected = EXPECTED[folder]
    log = _core.RunLog(GOLDEN / folder)
    assert [tagged(row) for row in log.rows()] == expected["rows"]
    assert tagged(log.config()) == expected["config"]
    assert tagged(log.summary()) == expected["summary"]
    (writer,) = log.writers()
    assert tagged(writer["exit_code"]) == expected["exit_code"]
    assert writer["records"] == len(expected["records"])
    assert writer["last"] == expected["records"][-1]["position"]
    wal = GOLDEN / folder / "wal" / "w-0001"
    assert writer["damage"] == [
        (
            wal / f"{damage['segment']:08}.wal",
            damage["offset"],
            f"{damage['end'] - damage['offset']} bytes that are no record",
        )
        for damage in expected["damages"]
    ]


def test_the_script_makes_the_same_files_again(tmp_path):
    subprocess.run([sys.executable, GOLDEN / "make.py", tmp_path], check=True)
    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*.*") if path.is_file()}
    assert {str(path) for path in made} == {
        "expected.json",
        *(
            f"{folder}/{name}"
            for folder in ("run", "damaged")
            for name in ("run.json", "wal/w-0001/00000001.wal", "wal/w-0001/00000002.wal")
        ),
    }
    for path, again in made.items():
        assert (GOLDEN / path).read_bytes() == again.read_bytes(), path
