"""The stores and the engine as Dagster resources, made from settings.

Belongs here: which lake, engine and warehouse the assets work with; nothing is opened until used. Does not belong
here: reading settings, and what the assets do.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import dagster as dg

from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.lake.raw import RawStore
from ratings_platform.lake.tables import LakeTable
from ratings_platform.orchestration.scratch import own_folder
from ratings_platform.schema.tables import Table
from ratings_platform.settings import Settings
from ratings_platform.warehouse.duckdb import DuckDBWarehouse


class Platform(dg.ConfigurableResource):
    """Lake, engine and warehouse, where the settings say."""

    source: str
    lake_root: str
    warehouse_file: str
    scratch_folder: str
    sample_folder: str
    sample_ratings: int
    sample_seed: int
    memory_limit: str

    @classmethod
    def of(cls, settings: Settings) -> Platform:
        return cls(
            source=settings.source,
            lake_root=settings.lake_root,
            warehouse_file=str(settings.warehouse_path),
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
    def engine(self) -> DuckDBEngine:
        return _engine(self.memory_limit, self.scratch / "spill")

    @property
    def warehouse(self) -> DuckDBWarehouse:
        return _warehouse(Path(self.warehouse_file), self.memory_limit)

    def table(self, table: Table) -> LakeTable:
        return LakeTable(self.lake_root, table)


@cache
def _warehouse(path: Path, memory_limit: str) -> DuckDBWarehouse:
    return DuckDBWarehouse(path, memory_limit)


@cache
def _engine(memory_limit: str, spill: Path) -> DuckDBEngine:
    """One engine for all steps of a process: starting one costs more than most answers."""
    return DuckDBEngine(memory_limit, spill)
