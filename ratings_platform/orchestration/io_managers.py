"""IO managers for the lake and the warehouse. They carry lazy tables, never rows.

Belongs here: how an asset's content reaches its store and how the next asset gets a scan of it, for one year, a range
in a single run, or the whole. Does not belong here: how stores and engines work.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import ibis.expr.types as ir

from ratings_platform.orchestration.failures import as_dagster_failures
from ratings_platform.orchestration.ingestion import Publication
from ratings_platform.orchestration.metadata import PREVIEW_ROWS, bar_plot, markdown
from ratings_platform.orchestration.provenance import noted
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import Scan, readable_size
from ratings_platform.schema.study import Plot, Study
from ratings_platform.schema.tables import Table

ROW_COUNT, PARTITION_ROW_COUNT = "dagster/row_count", "dagster/partition_row_count"


@dataclass(frozen=True)
class Derived:
    """Content that follows from an expression over scans, by table name; `metadata` is shown with it.

    `preview` is how many rows of it are shown. `follows` is the table's own version that went into it, if one did.
    """

    expr: ir.Table
    scans: Mapping[str, Scan]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    preview: int = PREVIEW_ROWS
    follows: Scan | None = None


class LakeIOManager(dg.IOManager):
    """Publishes a `Derived` or a `Publication` as one version of a lake table, and loads tables as `Scan`s."""

    def __init__(self, platform: Platform, tables: Mapping[dg.AssetKey, Table], plots: Sequence[Plot]):
        self._platform, self._tables, self._plots = platform, tables, plots

    def handle_output(self, context: dg.OutputContext, obj: Derived | Publication) -> None:
        with as_dagster_failures(context.step_context.previous_attempt_count):
            start = time.perf_counter()
            target = self._platform.table(self._tables[context.asset_key])
            years = _years(context)
            if isinstance(obj, Derived):
                files = self._platform.engine.write(
                    obj.expr,
                    obj.scans,
                    target.table,
                    target.local_root,
                    target.new_folder(),
                    years=years,
                    progress=context.log.debug,
                )
                about, by_year = noted(target.table, obj.scans, years, self._platform.table)
                info = {"run": context.run_id, **about}
                target.publish(files, years=years, info=info, by_year=by_year, follows=obj.follows)
            else:
                target.publish(obj.files, info={**obj.info, "run": context.run_id}, sidecars=obj.sidecars)
            whole = target.scan()
            scan = whole if years is None else whole.of_years(years)
            context.add_output_metadata(
                {
                    **(obj.metadata if isinstance(obj, Derived) else {}),
                    **self._preview(scan, obj.preview if isinstance(obj, Derived) else PREVIEW_ROWS),
                    ROW_COUNT: whole.rows,
                    "dagster/uri": target.uri,
                    "size": readable_size(scan.size),
                    "bytes": scan.size,
                    "version": scan.version,
                    "seconds": round(time.perf_counter() - start, 3),
                }
            )
            _count_partitions(context, years, scan.rows_by_year())
            if years is None or whole.rows == scan.rows:
                # Each year of a run has an event of its own with all the metadata: pictures of the whole table go
                # with the last one, and a run of some years draws none.
                last = str(years[-1]) if years else None
                context.step_context.add_asset_metadata(
                    self._drawn(whole), asset_key=context.asset_key, partition_key=last
                )

    def load_input(self, context: dg.InputContext) -> Scan:
        with as_dagster_failures():
            scan = self._platform.table(self._tables[context.asset_key]).materialised()
            return scan.of_years(_years(context) or ()) if context.has_asset_partitions else scan

    def _preview(self, scan: Scan, limit: int) -> dict[str, dg.MetadataValue]:
        rows = self._platform.engine.rows(scan.table.unbound().limit(limit), {scan.table.name: scan})
        return {"preview": dg.MetadataValue.md(markdown(rows))}

    def _drawn(self, scan: Scan) -> dict[str, dg.MetadataValue]:
        rows = scan.table.unbound()
        drawn: dict[str, dg.MetadataValue] = {}
        for plot in (plot for plot in self._plots if plot.table is scan.table):
            counts = rows.group_by(series=rows[plot.series], position=rows[plot.position]).aggregate(n=rows.count())
            series: dict[str, dict[int, int]] = {}
            for row in self._platform.engine.rows(counts, {scan.table.name: scan}).to_pylist():
                series.setdefault(str(row["series"]), {})[int(row["position"])] = row["n"]
            drawn[plot.title] = bar_plot(plot.title, series)
        return drawn


class WarehouseIOManager(dg.IOManager):
    """Loads a `Scan` of the lake into the warehouse table of the same name."""

    def __init__(self, platform: Platform, tables: Mapping[dg.AssetKey, tuple[Study, Table]]):
        self._platform, self._tables = platform, tables

    def handle_output(self, context: dg.OutputContext, obj: Scan) -> None:
        with as_dagster_failures(context.step_context.previous_attempt_count):
            years, (study, table) = _years(context), self._tables[context.asset_key]
            with self._platform.warehouse.kept_open():
                migrate_warehouse(self._platform, study, context.log)
                context.add_output_metadata(load_warehouse(self._platform, table, obj, years))
            _count_partitions(context, years, obj.rows_by_year())

    def load_input(self, context: dg.InputContext) -> Any:
        raise PlatformError(
            f"{context.asset_key.to_user_string()} is the end of the line", remedy="Read the gold table of that name."
        )


def migrate_warehouse(platform: Platform, study: Study, log: dg.DagsterLogManager) -> None:
    """Bring a study's tables in the warehouse to their last migration."""
    for migration in platform.warehouse.migrate(study):
        log.info(f"migration applied: {migration}")


def load_warehouse(platform: Platform, table: Table, scan: Scan, years: Sequence[int] | None = None) -> dict[str, Any]:
    """Load a scan into the warehouse table of the same name; what the UI shows of it."""
    start = time.perf_counter()
    loaded = platform.warehouse.load(table, platform.local(scan), years)
    return {
        ROW_COUNT: platform.warehouse.row_count(table),
        "rows loaded": loaded,
        "dagster/uri": platform.warehouse.uri,
        "dagster/table_name": table.name,
        "seconds": round(time.perf_counter() - start, 3),
        "lake version": scan.version,
        **platform.warehouse.about(table),
        "preview": dg.MetadataValue.md(markdown(platform.warehouse.rows(table.unbound().limit(PREVIEW_ROWS)))),
    }


def _years(context: dg.OutputContext | dg.InputContext) -> tuple[int, ...] | None:
    return tuple(int(key) for key in context.asset_partition_keys) if context.has_asset_partitions else None


def _count_partitions(context: dg.OutputContext, years: Sequence[int] | None, rows: Mapping[int, int]) -> None:
    for year in years or ():
        context.step_context.add_asset_metadata(
            {PARTITION_ROW_COUNT: rows.get(year, 0)}, asset_key=context.asset_key, partition_key=str(year)
        )
