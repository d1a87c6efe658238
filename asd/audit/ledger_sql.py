"""What a person's SQL may be: one SELECT over the ledger's views.

The database has no way to other files or the network anyway; this says so in words, and
keeps the answer from depending on anything but the views.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from asd.errors import ParamsError

DROP_PATTERN = "^([A-Za-z0-9][A-Za-z0-9._-]*)/drop-([0-9]{4,})/"
"""How the source of a sample of a drop begins: `asd.source_groups` for SQL."""
SOURCE_FOLDER = (
    f"case when regexp_matches(source, '{DROP_PATTERN}') then regexp_extract(source, '{DROP_PATTERN}') "
    "when contains(source, '#') then split_part(source, '#', 1) || '#' "
    "else regexp_replace(source, '[^/]*$', '') end"
)
"""What `asd.source_groups.source_group` needs of a source: few values for many samples."""

_TABLE_FUNCTIONS = {"unnest", "range", "generate_series"}
_LONGEST = 100_000


def quoted(text: str | Path) -> str:
    """A text as a literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def check_question(database: duckdb.DuckDBPyConnection, sql: str, views: Sequence[str]) -> None:
    """Refuse what is not one SELECT over `views`.

    Raises:
        ParamsError: says what was found and what may be asked.
    """
    allowed = f"ask with one SELECT over the views {', '.join(views)}"
    if len(sql) > _LONGEST:
        raise ParamsError(f"the SQL has {len(sql)} characters, the most is {_LONGEST}")
    parsed = json.loads(_serialized(database, sql))
    if parsed.get("error"):
        found = parsed.get("error_message", "")
        if parsed.get("error_type") == "parser":
            raise ParamsError(f"SQL: {found}")
        raise ParamsError(f"this SQL is no SELECT; {allowed}")
    if len(parsed["statements"]) != 1:
        raise ParamsError(f"{len(parsed['statements'])} statements; {allowed}")
    nodes = list(_nodes(parsed))
    own = {str(entry["key"]).lower() for node in nodes for entry in _common_tables(node)}
    for node in nodes:
        kind = node.get("type")
        if kind == "BASE_TABLE":
            name = str(node.get("table_name", "")).lower()
            if name not in own and (name not in views or node.get("schema_name") or node.get("catalog_name")):
                raise ParamsError(f"there is no view {name!r}; {allowed}")
        elif kind == "TABLE_FUNCTION":
            name = str(node.get("function", {}).get("function_name", "")).lower()
            if name not in _TABLE_FUNCTIONS:
                raise ParamsError(f"the function {name} is not allowed here; {allowed}")


def _serialized(database: duckdb.DuckDBPyConnection, sql: str) -> str:
    found = database.cursor().execute("select json_serialize_sql(?)", [sql]).fetchone()
    return str(found[0]) if found else '{"error": true}'


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _nodes(one)
    elif isinstance(value, list):
        for one in value:
            yield from _nodes(one)


def _common_tables(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = node.get("cte_map")
    return list(found.get("map", [])) if isinstance(found, dict) else []
