"""Writes the golden files: two run folders, and what a reader has to find in them.

    python tests/golden/make.py [FOLDER]

It follows `docs/format.md` and uses nothing of steplog, so that a slip in the code cannot
hide here. The bytes are what steplog itself writes, but for the values of `FOREIGN`, whose integers
stand in msgpack's other forms.

`expected.json` holds for each folder its records in log order, each with the items behind its kind
(a kind that no reader knows has none), its damages, and what they come to: rows, config, summary,
exit code. In it a list, a map, nil and a bool are JSON's; an integer is `"int:"` and its decimal
digits, a float `"float:"` and the 16 hex digits of its bits, text `"str:"` and the text, bytes
`"bin:"` and their hex digits.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it has no stubs

RUN, WRITER = "golden", "w-0001"
SEGMENT_HEAD = 256
# Half seconds: a float64 holds them exactly, counted in nanoseconds and in seconds.
START_NANOS = 1_700_000_000_000_000_000
TICK_NANOS = 500_000_000
UNKNOWN_KIND = 250
SEAL_KIND = 15

START = {
    "format": 1,
    "run": RUN,
    "entity": "local",
    "project": "größen",
    "name": "läuft 🙂",
    "notes": "",
    "tags": ["a", "é"],
    "group": None,
    "job_type": None,
    "writer": WRITER,
    "label": "",
    "generation": 0,
    "start_step": 0,
    "wall_nanos": START_NANOS,
    "sdk": "0.1.0",
    "mode": "offline",
}
EDGES = [
    *(0, 1, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53 + 1, 2**63 - 1),
    *(-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**63)),
]
EVERY_VALUE: dict[str, Any] = {
    "nil": None,
    "true": True,
    "false": False,
    "int": 7,
    "int_max": 2**63 - 1,
    "int_min": -(2**63),
    "ints": EDGES,
    "big": 2**63,
    "bigs": [-(2**63) - 1, 2**64 - 1, 10**30, -(10**300)],
    "float": 0.1,
    "float_whole": 1.0,
    "nan": math.nan,
    "inf": math.inf,
    "inf_negative": -math.inf,
    "zero_negative": -0.0,
    "subnormal": 5e-324,
    "floats": [0.0, 2.0**-1022, 2.0**-1022 - 5e-324, 1.7976931348623157e308, 2.0**53],
    "text": "é 雪 🙂",
    "texts": ["", "\0", "x" * 31, "x" * 32, "ü" * 128],
    "list": [1, 1.0, "1", None, True, [], [[-0.0]], {"in": {}}],
    "map": {"deep": {"er": {"leaf": 1}}, "dot.ted": 2, "back\\slash": 3, "": 4, "ключ": {}},
    "map_wide": {f"k{number}": number for number in range(16)},
}


class Fixed(int):
    """An unsigned integer in 9 bytes, which the writer can overwrite in place."""


class Step(int):
    """An unsigned integer in 5 bytes while 32 bits hold it, else in 9."""


class Foreign(dict[str, Any]):
    """A map whose integers stand in the shortest form, unsigned ones included."""


def wall(tick: int) -> Fixed:
    return Fixed(START_NANOS + tick * TICK_NANOS)


def history(step: int, tick: int, values: dict[str, Any], *, commit: bool = True) -> list[Any]:
    return [2, Step(step), wall(tick), Fixed(tick * TICK_NANOS), commit, values]


CONFIG = {"lr": 0.1, "layers": [64, 32], "model": {"width": 2**40, "seed": 2**64, "act": "gelu"}}
FOREIGN = Foreign({"widths": EDGES})
SUMMARY_WRITES = [[["best"], 0.5], [["n", "dot.ted"], {"x": 1}]]
HALF_ROW = history(1, 3, {"loss": 0.5, "n": {"b": 2}})
LOST_ROW = history(5, 7, {"loss": 0.25})
METRIC = {
    "name": "loss",
    "step_metric": "epoch",
    "step_sync": False,
    "hidden": True,
    "summary": ["min", "max"],
    "goal": None,
}
EXIT = [4, wall(9), 3]
SEGMENTS: list[list[list[Any]]] = [
    [
        [0, START],
        [1, wall(1), CONFIG],
        history(0, 1, EVERY_VALUE),
        history(1, 2, {"loss": 1.0, "n": {"a": 1, "gone": "x"}}, commit=False),
        HALF_ROW,
        [3, wall(3), [], SUMMARY_WRITES],
    ],
    [
        [UNKNOWN_KIND, wall(4), {"of": ["a", {"later": 10**20}]}, None],
        [1, wall(4), {"lr": 0.01, "seed": 2**53 + 1}],
        [5, wall(4), False, METRIC],
        [6, wall(4)],
        [7, wall(4), {"notes": "später", "tags": ["a", "b"]}],
        [9, wall(4), "code/größe.bin", bytes(range(256))],
        [10, wall(4), Fixed(2 * TICK_NANOS), {"cpu": 12.5, "gpu.0.temp": 41}],
        [11, wall(4), 2, "\r50%|█\x1b[31m"],
        [11, wall(4), 1, "50 %\n", Fixed(5)],
        [12, wall(4), "loss is NaN", "at step 7", "WARN", 60_000],
        [13, wall(4), "gewichte.bin", hashlib.sha256(b"").digest(), Fixed(2**40)],
        [14, wall(4), {"op": "use", "artifact": "local/größen/daten:v3", "use_as": None}],
        history(2, 5, FOREIGN),
        [3, wall(6), [["n", "gone"], ["best"]], [[["best"], -0.0]]],
        LOST_ROW,
        history(6, 8, {"loss": 0.125}),
        EXIT,
    ],
]
# What a segment still has reserved when its process is killed.
UNWRITTEN = bytes(64)


def row(step: int, tick: int, values: dict[str, Any]) -> dict[str, Any]:
    seconds = {"_timestamp": (START_NANOS + tick * TICK_NANOS) / 1e9, "_runtime": tick / 2}
    return {**values, "_step": step, **seconds}


def summary(n: dict[str, Any], *, loss_max: float) -> dict[str, Any]:
    # Nil stays out of the summary.
    logged = {key: value for key, value in MERGED.items() if value is not None}
    loss = {"min": 0.125, "max": loss_max}
    return row(6, 8, {**logged, "loss": loss, "n": n, "best": -0.0, **FOREIGN})


# An empty map changes nothing in its row.
MERGED = {
    **EVERY_VALUE,
    "map": {key: value for key, value in EVERY_VALUE["map"].items() if value != {}},
}
FINAL_CONFIG = {**CONFIG, "lr": 0.01, "seed": 2**53 + 1}
ROW_0, ROW_2, ROW_6 = row(0, 1, MERGED), row(2, 5, FOREIGN), row(6, 8, {"loss": 0.125})
WHOLE = {
    "rows": [
        ROW_0,
        row(1, 3, {"loss": 0.5, "n": {"a": 1, "gone": "x", "b": 2}}),
        ROW_2,
        row(5, 7, {"loss": 0.25}),
        ROW_6,
    ],
    "config": FINAL_CONFIG,
    "summary": summary({"a": 1, "b": 2, "dot.ted": {"x": 1}}, loss_max=0.5),
    "exit_code": 3,
}
DAMAGED = {
    "rows": [ROW_0, row(1, 2, {"loss": 1.0, "n": {"a": 1, "gone": "x"}}), ROW_2, ROW_6],
    "config": FINAL_CONFIG,
    "summary": summary({"a": 1, "dot.ted": {"x": 1}}, loss_max=1.0),
    "exit_code": None,
}


def crc32c(data: bytes | bytearray) -> int:
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


def pack_integer(number: int) -> bytes:
    if isinstance(number, Fixed):
        return struct.pack(">BQ", 0xCF, number)
    if isinstance(number, Step):
        return pack_integer(Fixed(number)) if number >> 32 else struct.pack(">BI", 0xCE, number)
    if -32 <= number < 128:
        return struct.pack(">b", number)
    for marker, form, bits in ((0xD1, "h", 16), (0xD2, "i", 32), (0xD3, "q", 64)):
        if -(1 << bits - 1) <= number < 1 << bits - 1:
            return struct.pack(f">B{form}", marker, number)
    return pack_plain(msgpack.ExtType(1, str(number).encode()))


def pack_plain(value: object) -> bytes:
    return bytes(msgpack.packb(value))


def pack(value: object) -> bytes:
    match value:
        case Foreign():
            return pack_plain(dict(value))
        case int() if not isinstance(value, bool):
            return pack_integer(value)
        case list():
            head = bytes(msgpack.Packer().pack_array_header(len(value)))
            return head + b"".join(map(pack, value))
        case dict():
            head = bytes(msgpack.Packer().pack_map_header(len(value)))
            return head + b"".join(pack(key) + pack(item) for key, item in value.items())
        case _:
            return pack_plain(value)


def segment_head(number: int) -> bytes:
    head = bytearray(SEGMENT_HEAD)
    struct.pack_into("<8sHxxI", head, 0, b"\x89SLW\r\n\x1a\n", 1, number)
    struct.pack_into("<128p", head, 24, RUN.encode())
    struct.pack_into("<64p", head, 152, WRITER.encode())
    struct.pack_into("<I", head, 16, crc32c(head))
    return bytes(head)


def frame(number: int, offset: int, payload: bytes) -> bytes:
    crc = crc32c(struct.pack("<III", number, offset, len(payload)) + payload)
    return struct.pack("<II", len(payload), crc) + payload + bytes(-len(payload) % 8)


def tagged(value: object) -> object:  # noqa: PLR0911  # one a type
    """The value as `expected.json` holds it."""
    match value:
        case bool() | None:
            return value
        case int():
            return f"int:{int(value)}"
        case float():
            return f"float:{struct.pack('>d', value).hex()}"
        case bytes():
            return f"bin:{value.hex()}"
        case list():
            return [tagged(item) for item in value]
        case dict():
            return {key: tagged(item) for key, item in value.items()}
        case _:
            return f"str:{value}"


def write_run(folder: Path, segments: list[bytes]) -> None:
    wal = folder / "wal" / WRITER
    wal.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(
        json.dumps(START, indent=2, ensure_ascii=False) + "\n", "utf-8"
    )
    for number, segment in enumerate(segments, 1):
        (wal / f"{number:08}.wal").write_bytes(segment)


def as_json(expected: dict[str, dict[str, Any]]) -> str:
    """JSON with a line for each record, damage and row."""
    line = json.JSONEncoder(ensure_ascii=False).encode
    folders = []
    for name, found in expected.items():
        parts = []
        for key, value in found.items():
            if isinstance(value, list) and value:
                text = "[\n   " + ",\n   ".join(map(line, value)) + "\n  ]"
            else:
                text = line(value)
            parts.append(f"  {line(key)}: {text}")
        folders.append(f" {line(name)}: {{\n" + ",\n".join(parts) + "\n }")
    return "{\n" + ",\n".join(folders) + "\n}\n"


def seal(number: int, end: int) -> bytes:
    """Where a segment ended: the first frame of the next one, and no record of the run."""
    return struct.pack(">BBBQBQ", 0x93, SEAL_KIND, 0xCF, number, 0xCF, end)


def frames(number: int, contents: list[list[Any]], *, ended: int | None) -> tuple[bytes, list[int]]:
    """A segment's bytes, where each of its records begins, and where they end."""
    data, offsets = segment_head(number), []
    if ended is not None:
        data += frame(number, len(data), seal(number - 1, ended))
    for content in contents:
        offsets.append(len(data))
        data += frame(number, len(data), pack(content))
    return data, [*offsets, len(data)]


def as_record(position: int, content: list[Any]) -> dict[str, Any]:
    kind, *items = content
    record = {"position": position, "kind": kind}
    return record if kind == UNKNOWN_KIND else {**record, "content": tagged(items)}


def main(folder: Path) -> None:
    data: list[bytes] = []
    records: list[dict[str, Any]] = []
    begin: list[list[int]] = []
    for number, contents in enumerate(SEGMENTS, 1):
        ended = len(data[-1]) if data else None
        segment, offsets = frames(number, contents, ended=ended)
        data.append(segment)
        begin.append(offsets)
        for offset, content in zip(offsets, contents, strict=False):
            records.append(as_record(number << 32 | offset, content))
    write_run(folder / "run", [data[0], data[1] + UNWRITTEN])

    first, last = map(bytearray, data)
    at = SEGMENTS[0].index(HALF_ROW)
    flipped, flipped_end = begin[0][at : at + 2]
    first[flipped + 40] ^= 0x10
    at = SEGMENTS[1].index(LOST_ROW)
    hole, hole_end = begin[1][at : at + 2]
    last[hole:hole_end] = bytes(hole_end - hole)
    torn = begin[1][SEGMENTS[1].index(EXIT)]
    del last[torn + 13 :]
    write_run(folder / "damaged", [bytes(first), bytes(last)])

    lost = {1 << 32 | flipped, 2 << 32 | hole, 2 << 32 | torn}
    left = [record for record in records if record["position"] not in lost]
    damages = [{"segment": 1, "offset": flipped, "end": flipped_end}]
    expected = {
        "run": {"records": records, "damages": [], **tagged_fields(WHOLE)},
        "damaged": {"records": left, "damages": damages, **tagged_fields(DAMAGED)},
    }
    (folder / "expected.json").write_text(as_json(expected), "utf-8")


def tagged_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: tagged(value) for key, value in fields.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
