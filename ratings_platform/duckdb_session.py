"""Sessions of DuckDB, for the engine, for the warehouse and for loading other warehouses.

Belongs here: opening one with what results rest on, whatever the machine is set to. Does not belong here: what is
asked in it, and the SQL of tables (`schema.scans`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb


def open_session(
    settings: Mapping[str, str | bool], database: str | Path = ":memory:", *, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    """A connection to a database, with settings by the names that DuckDB has for them."""
    connection = duckdb.connect(database, read_only=read_only, config=dict(settings))
    # Global, since what is set for a connection does not hold for its cursors.
    connection.execute("set global timezone = 'UTC'")
    return connection
