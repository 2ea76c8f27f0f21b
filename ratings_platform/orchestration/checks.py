"""Asset checks made from declarations.

Belongs here: a check for each thing that a declaration promises, and the accounting that no row is lost. Does not
belong here: the rules' expressions (`schema.quality`), and anything of one study.

All checks of a table run in one step, after its asset; a partitioned run's checks read only the run's years.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from ratings_platform.engines.parquet import extents
from ratings_platform.orchestration import metadata
from ratings_platform.orchestration.failures import as_dagster_failures
from ratings_platform.orchestration.ingestion import units
from ratings_platform.orchestration.partitions import years_of_run
from ratings_platform.orchestration.provenance import mixture, spans
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.models import Model, Question
from ratings_platform.schema.quality import Rule, merged_measures, rules, split_counts
from ratings_platform.schema.study import Ingest, Reconciliation, Study
from ratings_platform.schema.tables import Table

_NOT_LOADED = {"problem": "a table that this needs was never loaded into the warehouse"}

Years = tuple[int, ...] | None
Found = tuple[bool, Mapping[str, Any]]


@dataclass(frozen=True)
class Check:
    """A named check of one table: `run` gets the stores and the years, and says whether it passed and what it saw."""

    name: str
    description: str
    run: Callable[[Platform, Years], Found]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    def spec(self, key: dg.AssetKey) -> dg.AssetCheckSpec:
        blocking = self.severity is dg.AssetCheckSeverity.ERROR
        return dg.AssetCheckSpec(self.name, asset=key, description=self.description, blocking=blocking)


@dataclass(frozen=True)
class CheckFactory:
    """Makes the checks of one study."""

    study: Study
    values: Mapping[str, Any]
    reject_threshold: float

    def all(self) -> list[dg.AssetChecksDefinition]:
        """One step a table; one for all answers and one for all of them in the warehouse, since each takes no time."""
        study, tables = self.study, self.study.tables
        steps: list[_Checks] = [
            *(
                {_key(s.table): [*self._declared(s.table), *self._of_bronze(s), *self._reconciliations(s.table)]}
                for s in study.ingests
            ),
            {_key(study.rejects): [*self._declared(study.rejects), self._rejects_complete()]},
            *({_key(m.table): [*self._declared(m.table), *self._of_model(m)]} for m in study.models),
            {_key(q.table): self._declared(q.table) for q in study.questions},
            *({_warehouse_key(tables[name]): [self._same_rows(tables[name])]} for name in study.warehouse),
            {_warehouse_key(q.table): [self._same_answer(q)] for q in study.questions},
        ]
        return [_step(study.name, checks) for checks in steps if checks]

    def _declared(self, table: Table) -> list[Check]:
        """Columns and types, and the rules that follow from the declaration, counted in as few passes as possible."""
        promised = rules(table, self.study.tables)
        counts = _Counts(table, promised, self.study.tables)
        return [
            Check(
                "columns_and_types",
                "The files have the declared columns and types.",
                lambda p, y: _columns(p, table, y),
            ),
            *(Check(r.name, r.description, partial(counts.of, r)) for r in promised),
        ]

    def _of_bronze(self, spec: Ingest) -> list[Check]:
        threshold = self.reject_threshold
        return [
            Check(
                "every_line_accounted_for",
                "For each file: lines read = rows kept + rows rejected + headers and blank lines.",
                lambda p, _: _accounted(p, spec.table),
            ),
            Check(
                "few_rejects",
                f"At most {threshold:.2%} of each file's rows are rejected.",
                lambda p, _: _few_rejects(p, spec.table, threshold),
                dg.AssetCheckSeverity.WARN,
            ),
        ]

    def _rejects_complete(self) -> Check:
        def run(platform: Platform, _: Years) -> Found:
            counted = sum(unit.rejected for spec in self.study.ingests for unit in units(platform.table(spec.table)))
            stored = platform.table(self.study.rejects).scan().rows
            return counted == stored, {"rejected while reading": counted, "rows here": stored}

        return Check("all_rejects_here", "Every row that a bronze table rejected is in this table.", run)

    def _of_model(self, model: Model) -> list[Check]:
        conserved = [self._conserved(model)] if model.conserves else []
        by_year = [self._of_one_delivery(model.table)] if model.table.partition_by else []
        return [*conserved, *by_year, *self._reconciliations(model.table)]

    def _of_one_delivery(self, table: Table) -> Check:
        def run(platform: Platform, _: Years) -> Found:
            found = mixture(platform.table(table).info(), lambda name: platform.table(self.study.tables[name]).scan())
            if found is None:
                return True, {}
            return False, {
                "years of other deliveries": spans(found.stale),
                "of": ", ".join(found.tables),
                "remedy": f"ratings-platform run {self.study.name} --years {min(found.stale)}:{max(found.stale)}",
            }

        return Check(
            "years_of_one_delivery",
            "All years were made from the same delivery, as they are not when some were made again after it changed.",
            run,
            dg.AssetCheckSeverity.WARN,
        )

    def _reconciliations(self, table: Table) -> list[Check]:
        return [self._reconciled(r) for r in self.study.reconciliations if r.table is table]

    def _conserved(self, model: Model) -> Check:
        sources = [self.study.tables[name] for name in model.conserves]

        def run(platform: Platform, years: Years) -> Found:
            found = _rows_by_year(platform.table(model.table).scan(years))
            expected: dict[int, int] = {}
            for source in sources:
                for year, rows in _rows_by_year(platform.table(source).scan(years)).items():
                    expected[year] = expected.get(year, 0) + rows
            wrong = {
                y: (found.get(y, 0), expected.get(y, 0)) for y in {*found, *expected} if found.get(y) != expected.get(y)
            }
            shown = {"rows": sum(found.values()), "expected": sum(expected.values())}
            return not wrong, shown | ({"years that differ": str(dict(sorted(wrong.items())))} if wrong else {})

        names = " + ".join(source.path for source in sources)
        return Check("no_row_lost_or_added", f"As many rows as {names}, year by year where there are years.", run)

    def _reconciled(self, reconciliation: Reconciliation) -> Check:
        tables = self.study.tables
        sides = {
            side: Model(reconciliation.table, build)
            for side, build in (("found", reconciliation.found), ("expected", reconciliation.expected))
        }

        def run(platform: Platform, years: Years) -> Found:
            scans = {name: _scan(platform, tables[name], years) for model in sides.values() for name in model.inputs}
            asked = {side: model.built(tables, self.values) for side, model in sides.items()}
            rows = {
                side: sorted(found.to_pylist(), key=str)
                for side, found in platform.engine.many_rows(asked, scans).items()
            }
            return rows["found"] == rows["expected"], {side: _table(found) for side, found in rows.items()}

        severity = dg.AssetCheckSeverity.ERROR if reconciliation.blocking else dg.AssetCheckSeverity.WARN
        return Check(reconciliation.name, reconciliation.description, run, severity)

    def _same_rows(self, table: Table) -> Check:
        def run(platform: Platform, years: Years) -> Found:
            lake = _scan(platform, table, years).rows
            if not platform.warehouse.columns(table):
                return False, {"rows in the lake": lake, **_NOT_LOADED}
            rows = table.unbound()
            if table.partition_by and years is not None:
                rows = rows.filter(rows[table.partition_by].isin(years))
            loaded = platform.warehouse.rows(rows.aggregate(n=rows.count()))["n"][0].as_py()
            return lake == loaded, {"rows in the lake": lake, "rows in the warehouse": loaded}

        return Check("same_rows_as_lake", f"As many rows as {table.path}.", run)

    def _same_answer(self, question: Question) -> Check:
        read = [question.table, *(self.study.tables[name] for name in question.inputs)]

        def run(platform: Platform, _: Years) -> Found:
            if not all(platform.warehouse.columns(table) for table in read):
                return False, _NOT_LOADED
            lake = platform.engine.rows(
                question.ordered(question.table.unbound()),
                {question.table.name: platform.table(question.table).scan()},
            )
            asked = platform.warehouse.rows(question.expression(self.study.tables, self.values))
            loaded = platform.warehouse.rows(question.ordered(question.table.unbound()))
            same = records(asked) == records(lake) == records(loaded)
            shown = {"rows": lake.num_rows}
            if not same:
                shown |= {
                    "lake": metadata_table(lake),
                    "asked of the warehouse": metadata_table(asked),
                    "stored in the warehouse": metadata_table(loaded),
                }
            return same, shown

        return Check("same_answer_as_lake", "The question asked of the warehouse's own tables gives these rows.", run)


class _Counts:
    """What breaks a table's rules, counted for all of them when the first is asked for.

    What the footers of its files show to hold is not looked for in the rows.
    """

    def __init__(self, table: Table, promised: Sequence[Rule], tables: Mapping[str, Table]):
        self._table, self._tables, self._promised = table, tables, promised
        self._seen: dict[Any, dict[str, dict[str, int]]] = {}

    def of(self, rule: Rule, platform: Platform, years: Years) -> Found:
        scans = self._scans(platform, years)
        seen = (years, *scans.values())
        if seen not in self._seen:
            self._seen = {seen: self._counted(platform, scans)}
        failed = {thing: count for thing, count in self._seen[seen].get(rule.name, {}).items() if count}
        if not failed:
            return True, {}
        examples = platform.engine.rows(rule.examples(), scans)
        return False, {**failed, "examples": dg.MetadataValue.md(metadata.markdown(examples))}

    def _counted(self, platform: Platform, scans: Mapping[str, Scan]) -> dict[str, dict[str, int]]:
        known = extents(platform.local(scans[self._table.name]))
        measures = merged_measures(self._promised, {rule.name: rule.settled(known) for rule in self._promised})
        found = platform.engine.many_rows({str(i): m for i, m in enumerate(measures)}, scans) if measures else {}
        rows = [rows.to_pylist()[0] for rows in found.values()]
        return {name: counts for row in rows for name, counts in split_counts(row).items()}

    def _scans(self, platform: Platform, years: Years) -> dict[str, Scan]:
        referred = {(c.references or "").partition(".")[0] for c in self._table.columns if c.references}
        scans = {name: platform.table(self._tables[name]).scan() for name in sorted(referred)}
        return {self._table.name: _scan(platform, self._table, years), **scans}


_Checks = Mapping[dg.AssetKey, Sequence[Check]]


def _step(study: str, checks: _Checks) -> dg.AssetChecksDefinition:
    """The checks of one or more tables as one step, which can be run in part."""
    first, *others = checks
    specs = [check.spec(key) for key, of_table in checks.items() for check in of_table]
    by_key = {(key, check.name): check for key, of_table in checks.items() for check in of_table}
    name = f"{first.path[0]}__{study.replace('-', '_')}" if others else "__".join(first.path)

    @dg.multi_asset_check(name=f"{name}__checks", specs=specs, can_subset=True)
    def run(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterable[dg.AssetCheckResult]:
        with as_dagster_failures(), _reading(platform, first):
            years = years_of_run(context.run)
            selected = {(chosen.asset_key, chosen.name) for chosen in context.selected_asset_check_keys}
            for (key, _), check in ((of, check) for of, check in by_key.items() if of in selected):
                passed, seen = check.run(platform, years)
                if not passed:
                    told = {name: value for name, value in seen.items() if isinstance(value, str | int | float)}
                    context.log.warning(f"check {check.name} of {key.to_user_string()} failed: {told}")
                yield dg.AssetCheckResult(
                    passed=passed, check_name=check.name, asset_key=key, metadata=seen, severity=check.severity
                )

    return run


def _reading(platform: Platform, key: dg.AssetKey) -> AbstractContextManager[None]:
    """The warehouse kept open for checks of its tables; nothing for those of the lake."""
    return platform.warehouse.kept_open(read_only=True) if key.path[0] == "warehouse" else nullcontext()


def _key(table: Table) -> dg.AssetKey:
    return metadata.asset_key(table)


def _warehouse_key(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["warehouse", table.name])


def _scan(platform: Platform, table: Table, years: Years) -> Scan:
    return platform.table(table).scan(years if table.partition_by else None)


def _rows_by_year(scan: Scan) -> dict[int, int]:
    """Rows of each year; all under 0 for a table that knows no years."""
    return scan.rows_by_year() if scan.table.partition_by or scan.table.time_column else {0: scan.rows}


def _columns(platform: Platform, table: Table, years: Years) -> Found:
    """Every live file has the declared columns, in order and type; the partition column stands in its path."""
    scan = platform.local(_scan(platform, table, years))
    declared = [(f.name, f.type) for f in table.arrow_schema if f.name != table.partition_by]
    wrong = {}
    for path in scan.paths:
        stored = [(f.name, _plain(f.type)) for f in pq.read_schema(path)]
        if stored != declared:
            wrong[path.removeprefix(f"{scan.root}/")] = ", ".join(f"{n} {t}" for n, t in stored)
    if scan.version is None:
        return False, {"problem": "the table was never materialised"}
    return not wrong, {"files": len(scan.files), **wrong}


def _plain(kind: pa.DataType) -> pa.DataType:
    """Arrow has two text types that Parquet does not tell apart."""
    return pa.string() if pa.types.is_large_string(kind) else kind


def _accounted(platform: Platform, table: Table) -> Found:
    stored, lost = platform.table(table), {}
    found, scan = units(stored), stored.scan()
    files = tuple(DataFile(unit.rejects, unit.rejected, 0) for unit in found if unit.rejects)
    kept_rows, rejects = (_rows_by_file(platform.local(s)) for s in (scan, Scan(table, stored.uri, files)))
    for unit in found:
        kept = sum(rows for path, rows in kept_rows.items() if path.startswith(unit.id))
        rejected = rejects.get(unit.rejects or "", 0)
        if unit.lines != kept + rejected + unit.structure:
            lost[unit.name] = (
                f"{unit.lines:,} lines, {kept:,} kept, {rejected:,} rejected, {unit.structure:,} structure"
            )
    shown = {
        "files": len(found),
        "lines": sum(u.lines for u in found),
        "kept": scan.rows,
        "rejected": sum(rejects.values()),
    }
    return not lost and bool(found), {**shown, **lost}


def _rows_by_file(scan: Scan) -> dict[str, int]:
    """Rows as each file itself says, by its path in the table."""
    return {file.path: pq.read_metadata(path).num_rows for file, path in zip(scan.files, scan.paths, strict=True)}


def _few_rejects(platform: Platform, table: Table, threshold: float) -> Found:
    shares = {u.name: u.rejected / max(u.lines - u.structure, 1) for u in units(platform.table(table))}
    over = {name: f"{share:.2%} rejected" for name, share in shares.items() if share > threshold}
    return not over, {"largest share": max(shares.values(), default=0.0), **over}


def records(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows to compare: floats to 12 digits, since engines may add in another order."""
    return [
        {name: float(f"{value:.12g}") if isinstance(value, float) else value for name, value in row.items()}
        for row in rows.to_pylist()
    ]


def metadata_table(rows: pa.Table) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(metadata.markdown(rows, 20))


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(metadata.markdown_of(rows[:20], list(rows[0]) if rows else [], len(rows)))
