"""What the tests of the Dagster part share: a home with everything in it, runs upon it, and ways to do it harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ratings_platform.engines.parquet import describe
from ratings_platform.lake.tables import LakeTable
from ratings_platform.orchestration.automation import name
from ratings_platform.orchestration.build import shared_definitions
from ratings_platform.orchestration.partitions import range_tags
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Table
from ratings_platform.settings import Settings
from ratings_platform.studies.market_study.study import STUDY

YEARS: tuple[int, ...] = STUDY.years
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Stand:
    """A home with a study materialised in it, which a test may change; its runs are recorded in memory."""

    settings: Settings
    wired: dg.Definitions = field(repr=False)
    study: Study = STUDY
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    @cached_property
    def definitions(self) -> dg.Definitions:
        """What the code location would be with this stand's settings; the study's part is wired once for all."""
        return dg.Definitions.merge(shared_definitions([self.study], self.settings), self.wired)

    def run(
        self,
        *only: str,
        years: Sequence[int] | None = None,
        job: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialise the study, or only the assets named `layer/table`, as the jobs of the code location do."""
        return self.definitions.resolve_job_def(job or name(self.study)).execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(key.split("/")) for key in only] or None,
            tags=range_tags(years or self.study.years) if tags is None else tags,
            run_config=QUIET,
            raise_on_error=False,
        )

    def failed_checks(self, *, tags: Mapping[str, str] | None = None) -> dict[str, dg.AssetCheckEvaluation]:
        """Run all checks alone; those that failed, as `layer/table: check`."""
        return failed(self.run(job=name(self.study, "_checks"), tags=tags or {}))

    def table(self, path: str) -> LakeTable:
        return Platform.of(self.settings).table(self.declared(path))

    def declared(self, path: str) -> Table:
        return self.study.tables[path.split("/")[1]]

    def rows(self, path: str) -> pa.Table:
        """A table's stored rows, in the order of its files; a partition's year stands in their paths."""
        return pa.concat_tables([pq.ParquetFile(file).read() for file in self.table(path).scan().paths])

    def paths(self, path: str) -> dict[str, int]:
        """The live files of a table, with their times of change."""
        return {file: Path(file).stat().st_mtime_ns for file in self.table(path).scan().paths}

    def spoil(self, path: str, change: Callable[[pa.Table], pa.Table], year: int | None = None) -> None:
        """Publish a version of a table in which the first file (of a year) holds other rows."""
        stored = self.table(path)
        scan = stored.scan()
        first = next(file for file in scan.files if year is None or file.year == year)
        spoilt = f"{first.path.rpartition('/')[0]}/spoilt.parquet"
        pq.write_table(change(pq.ParquetFile(f"{scan.root}/{first.path}").read()), f"{scan.root}/{spoilt}")
        others = [file for file in scan.files if file != first]
        stored.publish([*others, describe(scan.root, spoilt, stored.table, year=first.year)], info=stored.info())

    def tamper(self, sql: str) -> None:
        """Change the warehouse behind the platform's back."""
        with duckdb.connect(str(self.settings.warehouse_path)) as warehouse:
            warehouse.execute(sql)

    def tally(self, table: str) -> int:
        """Rows of a table of the warehouse."""
        with duckdb.connect(str(self.settings.warehouse_path), read_only=True) as warehouse:
            return int(warehouse.table(table).count("*").fetchall()[0][0])


def failed(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {name: one for name, one in evaluations(result).items() if not one.passed}


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    found = result.get_asset_check_evaluations()
    return {f"{one.asset_key.to_user_string()}: {one.check_name}": one for one in found}


def materialised(result: dg.ExecuteInProcessResult) -> set[str]:
    return {key.to_user_string() for key in shown(result)}


def shown(result: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, Mapping[str, Any]]:
    """What each asset's last materialisation of a run shows."""
    return {
        event.asset_key: event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


def put(column: str, value: object, row: int = 0) -> Callable[[pa.Table], pa.Table]:
    """A change that puts a value into one row."""

    def change(rows: pa.Table) -> pa.Table:
        values = rows[column].to_pylist()
        values[row] = value
        return rows.set_column(rows.column_names.index(column), column, pa.array(values, rows[column].type))

    return change


def without_first(rows: pa.Table) -> pa.Table:
    return rows.slice(1)
