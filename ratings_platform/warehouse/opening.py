"""Which warehouse an address means.

Belongs here: choosing among the warehouses. Does not belong here: how any of them works.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ratings_platform.warehouse.base import Warehouse
from ratings_platform.warehouse.duckdb import DuckDBWarehouse
from ratings_platform.warehouse.mysql_address import MySQLAddress

_DUCKDB = "duckdb:///"


def check_address(url: str) -> None:
    """Raise SettingsError when no warehouse can be at the address; connects to nothing."""
    if not url.startswith(_DUCKDB):
        MySQLAddress.parse(url)


def open_warehouse(url: str, password: Callable[[], str], memory_limit: str) -> Warehouse:
    """The warehouse at `duckdb:///PATH` or `mysql://USER@HOST:PORT/DATABASE`; connects only when used."""
    if url.startswith(_DUCKDB):
        return DuckDBWarehouse(Path(url.removeprefix(_DUCKDB)), memory_limit)
    from ratings_platform.warehouse.mysql import MySQLWarehouse

    return MySQLWarehouse(MySQLAddress.parse(url), password, memory_limit)
