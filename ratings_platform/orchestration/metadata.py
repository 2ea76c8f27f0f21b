"""What the Dagster UI shows of a table: schema, lineage, sizes, previews, plots.

Belongs here: turning declarations, expressions and small results into Dagster metadata. Does not belong here: finding
the results.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import ibis.expr.types as ir
import pyarrow as pa

from ratings_platform.schema.lineage import column_lineage
from ratings_platform.schema.markdown import shown, table
from ratings_platform.schema.tables import Column, Table

PREVIEW_ROWS = 10
_CELL_CHARACTERS = 80


def asset_key(table: Table) -> dg.AssetKey:
    return dg.AssetKey([table.layer, table.name])


def column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [dg.TableColumn(c.name, c.type, c.description, _constraints(table, c)) for c in table.columns]
    )


def _constraints(table: Table, column: Column) -> dg.TableColumnConstraints:
    low, high = column.minimum, column.maximum
    said = [
        f"one of {', '.join(map(str, column.allowed))}" if column.allowed else "",
        f"at least {low}" if low is not None else "",
        f"at most {high}" if high is not None else "",
        f"refers to {column.references}" if column.references else "",
        "part of the key" if column.name in table.key and len(table.key) > 1 else "",
    ]
    return dg.TableColumnConstraints(
        nullable=column.nullable, unique=table.key == (column.name,), other=[s for s in said if s]
    )


def lineage(expr: ir.Table, tables: Mapping[str, Table]) -> dg.TableColumnLineage:
    """Column lineage as read off the expression."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key(tables[name]), source) for name, source in origins]
            for column, origins in column_lineage(expr).items()
        }
    )


def identity_lineage(table: Table, source: Table) -> dg.TableColumnLineage:
    """The lineage of a copy: each column comes from its namesake."""
    key = asset_key(source)
    return dg.TableColumnLineage({c.name: [dg.TableColumnDep(key, c.name)] for c in table.columns})


def markdown(rows: pa.Table, limit: int | None = None) -> str:
    """A small result as a Markdown table: whole numbers as they are, long texts cut."""
    return markdown_of(rows.slice(0, limit).to_pylist(), rows.column_names, rows.num_rows)


def markdown_of(records: Sequence[Mapping[str, Any]], columns: Sequence[str], of: int | None = None) -> str:
    """The named columns of some records, which are all or the first ones `of` so many, as a Markdown table."""
    text = table(columns, ([cell(record[name]) for name in columns] for record in records))
    more = (of or 0) - len(records)
    return f"{text}\n\n… and {more:,} more rows" if more > 0 else text


def cell(value: Any) -> str:
    text = shown(value, label=True)
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"


def bar_plot(title: str, series: Mapping[str, Mapping[int, int]]) -> dg.MarkdownMetadataValue:
    """Grouped bars as an image inside Markdown: for each series, numbers by position."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    positions = sorted({x for bars in series.values() for x in bars})
    width = 0.8 / max(len(series), 1)
    for i, (name, bars) in enumerate(sorted(series.items())):
        axes.bar(
            [x + (i - (len(series) - 1) / 2) * width for x in positions],
            [bars.get(x, 0) for x in positions],
            width,
            label=name,
        )
    axes.set_title(title)
    axes.set_xticks(positions, [str(x) for x in positions], rotation=45 if len(positions) > 10 else 0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if series:
        axes.legend()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=80)
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(image.getvalue()).decode()})")
