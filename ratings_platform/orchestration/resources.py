"""The stores and the engine as Dagster resources, made from settings.

Belongs here: which lake, engine and warehouse the assets work with; nothing is opened until used. Does not belong
here: reading settings, and what the assets do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from ratings_platform.engines.base import Engine
from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.lake.opening import open_storage
from ratings_platform.lake.raw import RawStore
from ratings_platform.lake.storage import Storage
from ratings_platform.lake.tables import LakeTable
from ratings_platform.orchestration.secrets import warehouse_password
from ratings_platform.schema.files import Scan
from ratings_platform.schema.tables import Table
from ratings_platform.scratch import folder_of_process, own_folder
from ratings_platform.settings import Settings, aws_region, load_settings, prepare_for_spark
from ratings_platform.sources.files import mark
from ratings_platform.warehouse.base import Warehouse
from ratings_platform.warehouse.opening import check_address, open_warehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Platform(dg.ConfigurableResource):
    """Lake, engine and warehouse, where the settings say."""

    home: str
    source: str
    lake_root: str
    warehouse_url: str
    own_folders: list[str]
    scratch_folder: str
    kept_folder: str
    fetched_folder: str
    sample_folder: str
    sample_ratings: int
    sample_seed: int
    memory_limit: str
    engine_kind: str

    @classmethod
    def of(cls, settings: Settings) -> Platform:
        """Raises SettingsError when the warehouse's address makes no sense."""
        check_address(settings.warehouse_url)
        return cls(
            home=str(settings.home),
            source=settings.source,
            lake_root=settings.lake_root,
            warehouse_url=settings.warehouse_url,
            own_folders=[str(folder) for folder in settings.own_folders],
            scratch_folder=str(settings.scratch),
            kept_folder=str(settings.kept),
            fetched_folder=str(settings.fetched),
            sample_folder=str(settings.sample_folder),
            sample_ratings=settings.sample_ratings,
            sample_seed=settings.sample_seed,
            memory_limit=settings.memory_limit,
            engine_kind=settings.engine,
        )

    @property
    def scratch(self) -> Path:
        """A folder of this process's own."""
        folder = own_folder(Path(self.scratch_folder))
        mark(folder)
        return folder

    @property
    def lake(self) -> Storage:
        return open_storage(self.lake_root, folder_of_process(Path(self.scratch_folder)), aws_region)

    @property
    def raw(self) -> RawStore:
        return RawStore(self.lake, Path(self.home))

    @property
    def engine(self) -> Engine:
        return _engine(self.engine_kind, self.memory_limit, self.scratch_folder, self.lake)

    @property
    def warehouse(self) -> Warehouse:
        return _warehouse(self.warehouse_url, self.memory_limit)

    def table(self, table: Table) -> LakeTable:
        return LakeTable(self.lake, table)

    def local(self, scan: Scan) -> Scan:
        """The scan with its files on this machine."""
        return self.lake.local(scan)


@cache
def _warehouse(url: str, memory_limit: str) -> Warehouse:
    return open_warehouse(url, warehouse_password, memory_limit)


@cache
def _engine(kind: str, memory_limit: str, scratch_folder: str, lake: Storage) -> Engine:
    """One engine for all steps of a process: starting one costs more than most answers."""
    scratch = folder_of_process(Path(scratch_folder))
    if kind == "duckdb":
        return DuckDBEngine(memory_limit, scratch() / "spill", lake.local)
    from ratings_platform.engines.spark import SparkEngine
    from ratings_platform.engines.spark_session import Sessions

    sessions = Sessions(_spark_options, prepare_for_spark, new_session, memory_limit, scratch)
    return SparkEngine(sessions, lake.local, partial(_address, lake) if lake.remote else None)


def _address(lake: Storage, folder: str) -> str:
    """What a folder on this machine stands for in a lake that lies elsewhere."""
    return f"{lake.root}/{Path(folder).relative_to(lake.folder(''))}"


def _spark_options() -> Mapping[str, str]:
    """Asked for when Spark is started, kept nowhere: they may hold secrets."""
    return load_settings().spark


def new_session(options: Mapping[str, str]) -> SparkSession:
    """A session with these options; imports PySpark."""
    from dagster_pyspark import LazyPySparkResource

    return LazyPySparkResource(spark_config=dict(options)).spark_session
