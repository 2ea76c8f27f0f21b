"""The stores and the engine as Dagster resources, made from settings.

Belongs here: which lake, engine and warehouse the assets work with; nothing is opened until used. Does not belong
here: reading settings, and what the assets do.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import dagster as dg

from ratings_platform.engines.base import Engine
from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.lake.raw import RawStore
from ratings_platform.lake.tables import LakeTable
from ratings_platform.orchestration.scratch import own_folder
from ratings_platform.schema.tables import Table
from ratings_platform.settings import Settings, warehouse_password
from ratings_platform.warehouse.base import Warehouse
from ratings_platform.warehouse.opening import check_address, open_warehouse


class Platform(dg.ConfigurableResource):
    """Lake, engine and warehouse, where the settings say."""

    source: str
    lake_root: str
    warehouse_url: str
    scratch_folder: str
    sample_folder: str
    sample_ratings: int
    sample_seed: int
    memory_limit: str

    @classmethod
    def of(cls, settings: Settings) -> Platform:
        """Raises SettingsError when the warehouse's address makes no sense."""
        check_address(settings.warehouse_url)
        return cls(
            source=settings.source,
            lake_root=settings.lake_root,
            warehouse_url=settings.warehouse_url,
            scratch_folder=str(settings.scratch),
            sample_folder=str(settings.sample_folder),
            sample_ratings=settings.sample_ratings,
            sample_seed=settings.sample_seed,
            memory_limit=settings.memory_limit,
        )

    @property
    def scratch(self) -> Path:
        """A folder of this process's own."""
        return own_folder(Path(self.scratch_folder))

    @property
    def raw(self) -> RawStore:
        return RawStore(self.lake_root)

    @property
    def engine(self) -> Engine:
        return _engine(self.memory_limit, self.scratch / "spill")

    @property
    def warehouse(self) -> Warehouse:
        return _warehouse(self.warehouse_url, self.memory_limit)

    def table(self, table: Table) -> LakeTable:
        return LakeTable(self.lake_root, table)


@cache
def _warehouse(url: str, memory_limit: str) -> Warehouse:
    return open_warehouse(url, warehouse_password, memory_limit)


@cache
def _engine(memory_limit: str, spill: Path) -> Engine:
    """One engine for all steps of a process: starting one costs more than most answers."""
    return DuckDBEngine(memory_limit, spill)
