"""Files of tables as others write them, logged as they are."""

from __future__ import annotations

import json

from steplog.data.media import Media, put


class RawTable(Media):
    """A table whose file is this text."""

    def __init__(self, text, **said):
        self._text = text
        self._said = {"_type": "table-file", **said}

    def _store(self, place, key):
        kept = put(place, ("table", key, ".table.json"), self._text.encode())
        return {**self._said, **kept}


def union(name):
    """A type that may be missing."""
    return {
        "wb_type": "union",
        "params": {"allowed_types": [{"wb_type": "none"}, {"wb_type": name}]},
    }


def table_text(columns, rows, types=None, **more):
    """The file of a table; `types` are the names of optional types by column."""
    told = {name: union(one) for name, one in (types or {}).items()}
    head = {
        "_type": "table",
        "columns": columns,
        **(
            {"column_types": {"wb_type": "typedDict", "params": {"type_map": told}}}
            if types
            else {}
        ),
        "ncols": len(columns),
        "nrows": len(rows),
        "log_mode": "IMMUTABLE",
        **more,
    }
    return json.dumps({**head, "data": rows}, ensure_ascii=False)


def raw(columns, rows, types=None, **more):
    """A table of these rows."""
    said = {"ncols": len(columns), "nrows": len(rows), "log_mode": "IMMUTABLE"}
    return RawTable(table_text(columns, rows, types), **said, **more)
