"""Assets made from a study's declarations: raw, bronze, silver, gold, answers, warehouse.

Belongs here: one factory for each kind of asset. Does not belong here: anything of one study, checks (`checks`), jobs
and automation (`automation`).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import dagster as dg
import pyarrow as pa

from ratings_platform.orchestration import metadata
from ratings_platform.orchestration.code_versions import reader_version
from ratings_platform.orchestration.failures import as_dagster_failures
from ratings_platform.orchestration.fetching import Fetching
from ratings_platform.orchestration.ingestion import Ingestion, Publication, units
from ratings_platform.orchestration.io_managers import Derived, load_warehouse, migrate_warehouse
from ratings_platform.orchestration.partitions import yearly
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.digest import digest
from ratings_platform.schema.files import DataFile, Scan, readable_size
from ratings_platform.schema.models import Model, Question
from ratings_platform.schema.reading import counted
from ratings_platform.schema.sql import compiled
from ratings_platform.schema.study import Ingest, Study, VendorFiles
from ratings_platform.schema.tables import Table
from ratings_platform.sources.files import RawFile

WAREHOUSE_POOL = "warehouse"


def raw_key(vendor: VendorFiles) -> dg.AssetKey:
    return dg.AssetKey(["raw", vendor.name])


# Sums, answers and the warehouse follow what they read: any year of it, also when only some years are there.
FOLLOW = (
    dg.AutomationCondition.eager()
    .without(dg.AutomationCondition.in_latest_time_window())
    .without(~dg.AutomationCondition.any_deps_missing())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
)


@dataclass(frozen=True)
class AssetFactory:
    """Makes the assets of one study. `values` are the study's settings by name.

    `engine` is what runs expressions and writes tables; `database` holds the warehouse.
    """

    study: Study
    settings: Any
    owner: str
    engine: str
    database: str

    @cached_property
    def values(self) -> dict[str, Any]:
        return dict(self.settings.model_dump())

    @cached_property
    def partitions(self) -> dg.TimeWindowPartitionsDefinition:
        return yearly(self.study.years[0], self.study.years[-1])

    def all(self) -> list[dg.AssetsDefinition]:
        gold = {model.table.name: model.table for model in self.study.models}
        return [
            *(self.raw(vendor) for vendor in self.study.vendors),
            *(self.bronze(spec) for spec in self.study.ingests),
            self.rejects(),
            *(self.model(model) for model in self.study.models),
            *(self.answer(question) for question in self.study.questions),
            *(self.warehouse(gold[name]) for name in self.study.warehouse),
            *([self.warehouse_answers()] if self.study.questions else []),
        ]

    def raw(self, vendor: VendorFiles) -> dg.AssetsDefinition:
        @dg.asset(
            key=raw_key(vendor),
            description=vendor.description,
            kinds={"file"},
            code_version="1",
            **self._common("raw"),
        )
        def compute(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
            with as_dagster_failures(context.retry_number):
                fetching = Fetching(self.study, self.settings, platform, context.log.info, context.log.debug)
                run_with = context.job_def.asset_layer.selected_asset_keys
                others = [v for v in self.study.vendors if v is not vendor and raw_key(v) in run_with]
                files = fetching.fetch(vendor, others)
            digest = hashlib.sha256("\n".join(sorted(f"{f.name} {f.sha256}" for f in files)).encode()).hexdigest()
            listed = pa.table(
                {
                    "file": [f.name for f in files],
                    "bytes": [f.bytes for f in files],
                    "sha256": [f.sha256 for f in files],
                    "origin": [f.origin for f in files],
                }
            )
            containers = {f.container: f.bytes for f in files}
            return dg.MaterializeResult(
                metadata={
                    "files": len(files),
                    "bytes": sum(containers.values()),
                    "size": readable_size(sum(containers.values())),
                    "dagster/uri": platform.raw.manifest_uri(vendor.name),
                    "preview": dg.MetadataValue.md(metadata.markdown(listed, 20)),
                },
                data_version=dg.DataVersion(digest[:16]),
            )

        return compute

    def bronze(self, spec: Ingest) -> dg.AssetsDefinition:
        @dg.asset(
            key=metadata.asset_key(spec.table),
            ins={name: dg.AssetIn(metadata.asset_key(self.study.tables[name])) for name in spec.known},
            deps=[dg.AssetKey(["raw", spec.vendor])],
            io_manager_key="lake",
            description=spec.table.description,
            kinds={*self._stored, "polars"},
            code_version=reader_version(spec.reader),
            metadata={"dagster/column_schema": metadata.column_schema(spec.table)},
            **self._common("bronze"),
        )
        def compute(context: dg.AssetExecutionContext, platform: Platform, **known: Scan) -> Publication:
            with as_dagster_failures(context.retry_number):
                delivered = [RawFile.from_dict(file) for file in platform.raw.load(spec.vendor)]
                ingestion = Ingestion(
                    spec,
                    known,
                    platform.table(spec.table),
                    platform.raw,
                    platform.engine,
                    platform.scratch / context.run.run_id,
                    context.log.info,
                )
                found = ingestion.ingest(delivered)
            read = metadata.markdown_of(found.info["units"], ["name", "lines", "structure", "kept", "rejected"])
            context.add_output_metadata(
                {
                    "rows rejected": sum(unit["rejected"] for unit in found.info["units"]),
                    "files read": dg.MetadataValue.md(read),
                }
            )
            return found

        return compute

    def rejects(self) -> dg.AssetsDefinition:
        """The lines that the bronze tables refused, in one table."""
        specs, table = self.study.ingests, self.study.rejects

        @dg.asset(
            key=metadata.asset_key(table),
            deps=[metadata.asset_key(spec.table) for spec in specs],
            io_manager_key="lake",
            description=table.description,
            kinds={*self._stored, "polars"},
            code_version="1",
            metadata={"dagster/column_schema": metadata.column_schema(table)},
            **self._common("bronze"),
        )
        def compute(context: dg.AssetExecutionContext, platform: Platform) -> Derived:
            files = []
            for spec in specs:
                found = units(platform.table(spec.table))
                files += [DataFile(f"{spec.table.path}/{u.rejects}", u.rejected, 0) for u in found if u.rejects]
            # Paths of several tables, so the scan's root is the lake's.
            scans, rows = {table.name: Scan(table, platform.lake_root, tuple(files))}, table.unbound()
            summary = metadata.markdown(platform.engine.rows(counted(rows), scans), 100)
            return Derived(rows.order_by(*table.key), scans, {"by file and reason": dg.MetadataValue.md(summary)})

        return compute

    def model(self, model: Model) -> dg.AssetsDefinition:
        return self._derived(model, model.table.description, follow=self._sums_years(model))

    def answer(self, question: Question) -> dg.AssetsDefinition:
        about = f"{question.question}\n\n{question.definition}"
        shown = {"question": question.question, "definition": question.definition}
        return self._derived(question, about, shown, preview=100, follow=True)

    def _derived(
        self,
        model: Model,
        description: str,
        shown: Mapping[str, Any] = MappingProxyType({}),
        *,
        preview: int = metadata.PREVIEW_ROWS,
        follow: bool = False,
    ) -> dg.AssetsDefinition:
        table, tables = model.table, self.study.tables
        expr = model.expression(tables, self.values)
        others = [name for name in model.inputs if name != table.name]
        # Waiting for the rejects is waiting for all of bronze, so that answers never come from half a delivery.
        from_bronze = any(tables[name].layer == "bronze" for name in others)

        @dg.asset(
            key=metadata.asset_key(table),
            ins={name: dg.AssetIn(metadata.asset_key(tables[name])) for name in others},
            deps=[metadata.asset_key(self.study.rejects)] if from_bronze else [],
            io_manager_key="lake",
            description=description,
            kinds={*self._stored, "ibis"},
            code_version=digest(expr),
            metadata={
                "dagster/column_schema": metadata.column_schema(table),
                "dagster/column_lineage": self._lineage(expr),
                **shown,
            },
            automation_condition=FOLLOW if follow else None,
            **self._common(table.layer),
            **self._by_year(table),
        )
        def compute(platform: Platform, **scans: Scan) -> Derived:
            if table.name in model.inputs:
                scans[table.name] = platform.table(table).scan()
            # Only now that it is compiled anyway: compiling all of them takes as long as loading the rest of the study.
            sql = {} if table.partition_by else {"sql": dg.MetadataValue.md(f"```sql\n{compiled(expr)}\n```")}
            return Derived(expr, scans, sql, preview=preview, follows=scans.get(table.name))

        return compute

    def warehouse(self, source: Table) -> dg.AssetsDefinition:
        """A table of the warehouse: a copy of the lake's table of the same name."""

        @dg.asset(
            key=["warehouse", source.name],
            ins={"table": dg.AssetIn(metadata.asset_key(source))},
            io_manager_key="warehouse",
            description=source.description,
            kinds={self.database, "table"},
            code_version="1",
            pool=WAREHOUSE_POOL,
            metadata={
                "dagster/column_schema": metadata.column_schema(source),
                "dagster/column_lineage": metadata.identity_lineage(source, source),
            },
            automation_condition=FOLLOW,
            **self._common("warehouse"),
            **self._by_year(source),
        )
        def compute(table: Scan) -> Scan:
            return table

        return compute

    def warehouse_answers(self) -> dg.AssetsDefinition:
        """The answers in the warehouse, in one step that can be run in part: each load takes next to no time."""
        tables = {dg.AssetKey(["warehouse", q.table.name]): q.table for q in self.study.questions}
        common = self._common("warehouse")

        @dg.multi_asset(
            name=f"warehouse__{self.study.name.replace('-', '_')}__answers",
            specs=[
                dg.AssetSpec(
                    key,
                    deps=[metadata.asset_key(table)],
                    description=table.description,
                    kinds={self.database, "table"},
                    code_version="1",
                    skippable=True,
                    metadata={
                        "dagster/column_schema": metadata.column_schema(table),
                        "dagster/column_lineage": metadata.identity_lineage(table, table),
                    },
                    automation_condition=FOLLOW,
                    **common,
                )
                for key, table in tables.items()
            ],
            can_subset=True,
            pool=WAREHOUSE_POOL,
        )
        def compute(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[dg.MaterializeResult]:
            selected = {key: table for key, table in tables.items() if key in context.selected_asset_keys}
            with as_dagster_failures(context.retry_number), platform.warehouse.kept_open():
                migrate_warehouse(platform, self.study, context.log)
                for key, table in selected.items():
                    shown = load_warehouse(platform, table, platform.table(table).materialised())
                    yield dg.MaterializeResult(asset_key=key, metadata=shown)

        return compute

    @property
    def _stored(self) -> set[str]:
        """Kinds of every table of the lake; Dagster shows three at most."""
        return {"deltalake", "spark" if self.engine == "spark" else "parquet"}

    def _lineage(self, expr: Any) -> dg.TableColumnLineage:
        return metadata.lineage(expr, self.study.tables)

    def _common(self, group: str) -> dict[str, Any]:
        return {"group_name": group, "owners": [self.owner], "tags": {"study": self.study.name}}

    def _sums_years(self, model: Model) -> bool:
        """Whether all years of some table go into a table that has none itself."""
        return model.table.partition_by is None and any(self.study.tables[n].partition_by for n in model.inputs)

    def _by_year(self, table: Table) -> dict[str, Any]:
        if table.partition_by is None:
            return {}
        return {"partitions_def": self.partitions, "backfill_policy": dg.BackfillPolicy.single_run()}
