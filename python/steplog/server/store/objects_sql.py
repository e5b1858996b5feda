"""The SQL of objects over steps.

`{points}` and `{is_one}` are filled in by `Objects`; words with a type are the engine's parameters.
"""

from __future__ import annotations

from steplog.server.schema import KIND_LIST, KIND_OBJECT
from steplog.server.store.lineage import shown
from steplog.server.store.object_heads import HEAD_BYTES, TYPE_BYTES

MAX_ROWS = 500_000
"""Of one index: beyond, no slider shows them."""

_BOTH = """run IN {runs:Array(UInt64)} AND key IN {keys:Array(String)}
    AND step >= {first:Int64} AND step <= {last:Int64}"""
COUNT_PATCHES = f"SELECT count() AS n FROM patches WHERE {_BOTH}"  # noqa: S608  # constants of this file
_TYPE = f"unhex('{TYPE_BYTES.hex()}')"
_IS_LIST = f"kind = {KIND_LIST} AND position(text, {_TYPE}) > 0"
IS_ONE = f"kind = {KIND_OBJECT} OR ({_IS_LIST})"

_PLACE = "run, key, label, step"
_VALUE = "kind, text"
AS_THEY_LIE = f"SELECT {_PLACE}, {_VALUE} FROM points WHERE {_BOTH}"  # noqa: S608  # constants of this file


def _latest(points: str, patches: str) -> str:
    """Of each step the value that was written last."""
    return f"""SELECT {_PLACE}, v.1 AS kind, v.2 AS text
FROM (SELECT {_PLACE}, argMax(({_VALUE}), (generation, position)) AS v
      FROM ({points} UNION ALL {patches}) GROUP BY {_PLACE})"""  # noqa: S608  # constants of this file


MERGED = _latest(*(f"SELECT * FROM {table} WHERE {_BOTH}" for table in ("points", "patches")))  # noqa: S608  # likewise
SHOWN = _latest(
    *(
        f"""{shown(table)} AND p.key IN {{keys:Array(String)}}
        AND p.step >= {{first:Int64}} AND p.step <= {{last:Int64}}"""
        for table in ("points", "patches")
    )
)

_NAMES = "run, CAST(key, 'String') AS name, CAST(label, 'String') AS tag"
HEADS = f"""SELECT {_NAMES}, step, kind, length(text) AS size,
    substring(text, 1, {HEAD_BYTES}) AS head
FROM ({{points}}) WHERE {{is_one}}
ORDER BY run, name, tag, step LIMIT {MAX_ROWS + 1}"""  # noqa: S608  # constants of this file
STEPS = f"""SELECT {_NAMES},
    countIf(step <= {{at:Int64}}) AS is_before, maxIf(step, step <= {{at:Int64}}) AS before,
    countIf(step >= {{at:Int64}}) AS is_behind, minIf(step, step >= {{at:Int64}}) AS behind
FROM ({{points}}) WHERE {{is_one}} GROUP BY run, key, label ORDER BY run, name, tag"""  # noqa: S608  # likewise
_PLACES = f"""({_PLACE}) IN (SELECT z.1, z.2, z.3, z.4 FROM (SELECT arrayJoin(arrayZip(
    {{at_runs:Array(UInt64)}}, {{at_keys:Array(String)}}, {{at_labels:Array(String)}},
    {{at_steps:Array(Int64)}})) AS z))"""  # noqa: S608  # likewise
# Texts are read once, for a granule of them is many steps; what is too much is not handed out.
_HELD = f"""SELECT {_NAMES}, step, kind, sum(length(text)) OVER () AS size,
    if(size > {{most:UInt64}}, '', text) AS held
FROM ({{points}}) WHERE {{where}} ORDER BY run, name, tag, step"""  # noqa: S608  # likewise
VALUES = _HELD.replace("{where}", _PLACES)
AT = _HELD.replace("{where}", "({is_one}) AND step IN {at_steps:Array(Int64)}")

WEIGHTS = """SELECT step, count() AS n, sum(length(text)) AS size
FROM ({points}) WHERE {is_one} GROUP BY step ORDER BY step"""
WITHIN = f"""SELECT {_NAMES}, step, kind, text FROM ({{points}})
WHERE ({{is_one}}) AND step >= {{from:Int64}} AND step <= {{to:Int64}}
ORDER BY run, name, tag, step"""  # noqa: S608  # constants of this file
