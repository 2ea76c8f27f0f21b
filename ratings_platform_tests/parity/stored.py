"""Tables as they are stored, read by neither engine; and tables put there by neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratings_platform.engines.parquet import describe
from ratings_platform.schema.files import Scan
from ratings_platform.schema.tables import Table


def put(table: Table, rows: Sequence[Mapping[str, Any]], root: Path) -> Scan:
    """A table of one file with these rows."""
    path = f"{table.path}/put.parquet"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=table.arrow_schema), root / path)
    return Scan(table, str(root), (describe(str(root), path, table),), version=0)


def content(scan: Scan) -> pa.Table:
    """A table's rows in the order of its files; proves that these have the declared columns and types."""
    table, year = scan.table, scan.table.partition_by
    declared = pa.schema([field for field in table.arrow_schema if field.name != year])
    parts = []
    for file in scan.files:
        rows = pq.ParquetFile(f"{scan.root}/{file.path}").read()
        assert rows.num_rows == file.rows
        assert [(f.name, _plain(f.type)) for f in rows.schema] == [(f.name, f.type) for f in declared], table.path
        rows = rows.cast(declared).replace_schema_metadata()
        parts.append(rows.append_column(year, pa.array([file.year] * file.rows, pa.int32())) if year else rows)
    return pa.concat_tables(parts).select(table.arrow_schema.names) if parts else table.arrow_schema.empty_table()


def in_any_order(rows: pa.Table) -> list[str]:
    """Rows to compare where no order is promised; as texts, since NaN equals itself and 0.0 is not -0.0."""
    return sorted(str(tuple(row.values())) for row in rows.to_pylist())


def _plain(kind: pa.DataType) -> pa.DataType:
    """Arrow has two text types that Parquet does not tell apart."""
    return pa.string() if pa.types.is_large_string(kind) else kind
