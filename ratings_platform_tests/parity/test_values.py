"""Values at the ends of their types, missing values, and orders: the same on either engine, to the type and the sign.

Belongs here: what expressions of any study may rest on. Does not belong here: the tables of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from ratings_platform.engines.base import Engine
from ratings_platform.schema.files import Scan
from ratings_platform.schema.models import Model
from ratings_platform.schema.tables import Column, Table
from ratings_platform_tests.parity.conftest import KINDS
from ratings_platform_tests.parity.stored import content, in_any_order, put

pytestmark = pytest.mark.integration

NAN, INFINITY = float("nan"), float("inf")
# Each column's values, and what its type can hold at both ends.
COLUMNS = {
    "int8": (-128, 127, 0, 7),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1, 5),
    "int64": (-(2**63), 2**63 - 1, 2**53 + 1),
    "float32": (0.5, -0.0, NAN),
    "float64": (NAN, INFINITY, -INFINITY, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1),
    "decimal(38, 12)": (Decimal("-123456789012345678901234.123456789012"), Decimal("0.000000000001")),
    "boolean": (True, False),
    "date": (date(1, 1, 1), date(1582, 10, 10), date(1969, 12, 31), date(2000, 2, 29), date(9999, 12, 31)),
    "timestamp(6)": (datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(2024, 3, 31, 2, 30)),  # noqa: DTZ001
    "string": (
        *(
            "",
            " ",
            "a",
            "A",
            "Z",
            "é",
            "e\u0301",
            "z",
            "ß",
            "日本",
            "\uffee",
            "\U0001d538",
            "🎬",
            "\x0b x \x0c",
            "\t\n",
        ),
        *("it's", '"', "\\", "\\v", "`", "NULL", "null", "1", "01", "-1", "100%_", "\u00a0"),
    ),
}
NAMES = {kind: kind.partition("(")[0] for kind in COLUMNS}
ENDS = Table(
    "bronze",
    "ends",
    "One row per value.",
    (Column("n", "int32", "Row."), *(Column(f"a_{NAMES[kind]}", kind, "A value.", nullable=True) for kind in COLUMNS)),
    key=("n",),
)
# Values of each column take turns with none, each column at a pace of its own, so that all meet each other.
ROWS = [
    {"n": n, **{f"a_{NAMES[k]}": [*of, None][n * i % (len(of) + 1)] for i, (k, of) in enumerate(COLUMNS.items(), 1)}}
    for n in range(120)
]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return put(ENDS, ROWS, tmp_path_factory.mktemp("ends"))


@pytest.mark.parametrize("writer", KINDS)
def test_values_survive_writing_and_reading(
    engines: Mapping[str, Engine], ends: Scan, tmp_path: Path, writer: str
) -> None:
    rows = ENDS.unbound()
    files = engines[writer].write(rows.order_by("n"), {"ends": ends}, ENDS, str(tmp_path), "new")
    written = Scan(ENDS, str(tmp_path), tuple(files))
    assert in_any_order(content(written)) == in_any_order(content(ends))
    for reader in engines.values():
        found = reader.rows(rows, {"ends": written})
        assert found.schema == ENDS.arrow_schema
        assert in_any_order(found) == in_any_order(content(ends))


DECLARED = Table(
    "gold",
    "declared",
    "One row per value of a column.",
    (
        Column("year", "int16", "A part of a date."),
        Column("rows", "int32", "A count.", nullable=True),
        Column("total", "int64", "A sum.", nullable=True),
        Column("product", "int8", "Of two numbers.", nullable=True),
        Column("half", "float32", "A ratio.", nullable=True),
        Column("exact", "decimal(18, 2)", "Of a wider decimal.", nullable=True),
        Column("day", "date", "Of a moment.", nullable=True),
    ),
    key=("year",),
)


def test_what_is_written_has_the_declared_types(engine: Engine, ends: Scan, tmp_path: Path) -> None:
    """Whatever types an engine computes in, and Ibis takes them for."""
    t = ENDS.unbound()
    t = t.filter(t.n < 30, t.a_date.notnull())
    whole = t.group_by(year=t.a_date.year()).agg(
        rows=t.count(),
        total=t.a_int8.sum(),
        product=(t.a_int8 > 0).ifelse(1, 0).max() * 2,
        half=t.a_int8.count() / 2,
        exact=t.a_decimal.max(),
        day=t.a_timestamp.max(),
    )
    expr = Model(DECLARED, lambda ends: whole).expression({"ends": ENDS}, {})
    files = engine.write(expr, {"ends": ends}, DECLARED, str(tmp_path), "new")
    found = content(Scan(DECLARED, str(tmp_path), tuple(files))).to_pylist()
    values = [row for row in ROWS[:30] if row["a_date"]]
    for row in found:
        same = [r for r in values if r["a_date"].year == row["year"]]
        numbers = [r["a_int8"] for r in same if r["a_int8"] is not None]
        assert (row["rows"], row["total"]) == (len(same), sum(numbers) if numbers else None)
        assert row["half"] == len(numbers) / 2
    assert [row["year"] for row in found] == sorted({r["a_date"].year for r in values})


def expressions() -> dict[str, ir.Table]:
    t = ENDS.unbound()
    s, f, i, d = t.a_string, t.a_float64, t.a_int8, t.a_date
    nothing, half = t.filter(t.n < 0), t.filter(t.n % 2 == 0)
    return {
        **{f"{c} ascending": t.select(c, "n").order_by(t[c].asc(), "n") for c in t.columns[1:]},
        **{f"{c} descending": t.select(c, "n").order_by(t[c].desc(), "n") for c in t.columns[1:]},
        "nulls first": t.select("a_string", "n").order_by(s.asc(nulls_first=True), "n"),
        "numbered": t.select("n", **{c: ibis.row_number().over(order_by=[t[c], t.n]) for c in ("a_string", "a_date")}),
        **{f"{c} grouped": t.group_by(c).agg(rows=t.count()) for c in ("a_string", "a_int64", "a_date", "a_boolean")},
        "groups of none": nothing.group_by("a_string").agg(rows=nothing.count()),
        "aggregates": t.agg(
            rows=t.count(),
            values=s.count(),
            distinct=s.nunique(),
            total=i.sum(),
            mean=i.mean(),
            least=s.min(),
            greatest=s.max(),
            first=d.min(),
            last=d.max(),
            where=i.sum(where=t.a_boolean),
            true=t.a_boolean.sum(),
            exact=t.a_decimal.sum(),
        ),
        "aggregates of none": nothing.agg(
            rows=nothing.count(), total=nothing.a_int8.sum(), mean=nothing.a_int8.mean(), least=nothing.a_string.min()
        ),
        "maximum of none": t.agg(x=nothing.a_float64.max().as_scalar()),
        "texts": t.select(
            "n",
            trimmed=s.strip(),
            length=s.length(),
            start=s.substr(0, 1),
            with_null=s + "x",
            contains=s.contains("\\"),
            like=s.like("%x%"),
            replaced=s.replace("\\v", "\x0b"),
            matched=s.re_search(r"^\p{L}+$"),
            cleaned=s.re_replace(r"[^\p{L}\p{N}]+", " "),
            folded=s.translate("éZ", "eY"),
            equal=s == "é",
            greater=s > "Z",
            one_of=s.isin(["a", "\\v"]),
        ),
        "numbers": t.select(
            "n",
            ratio=i.cast("float64") / t.a_int32.nullif(0).cast("float64"),
            whole=i.cast("int64") * 10 + 1,
            rest=t.a_int32 % 7,
            text=t.a_int64.cast("string"),
            either=ibis.coalesce(i, ibis.literal(0, "int8")),
            when=(i > 0).ifelse("yes", "no"),
            case=i.cases((7, "seven"), (0, "zero"), else_="other"),
            exact=(i.cast("float64") / 3).cast("decimal(38, 12)"),
            negative=-t.a_int32.cast("int64"),
            unknown=~(i > 0),
            large=f > 1e308,
            between=i.between(-1, 7),
        ),
        "days": t.select(
            "n",
            year=d.year(),
            month=d.month(),
            day=d.day(),
            quarter=d.quarter(),
            weekday=d.day_of_week.index(),
            text=d.cast("string"),
        ),
        "joined": half.join(t.view(), "n").select("n"),
        "kept": t.semi_join(half, t.a_string == half.a_string).select("n"),
        "left out": t.anti_join(half, t.a_string == half.a_string).select("n"),
        "filled": t.left_join(half, t.n == half.n).select(t.n, right=half.a_string),
        "all of both": t.select("a_string").union(half.select("a_string")),
        "one of each": t.select("a_string", "a_boolean").union(half.select("a_string", "a_boolean"), distinct=True),
        "in windows": t.select(
            "n",
            total=i.sum().over(group_by=t.a_boolean),
            place=ibis.row_number().over(group_by=t.a_boolean, order_by=[s.desc(), t.n]),
            rank=ibis.rank().over(order_by=s),
            before=s.lag().over(order_by=t.n),
        ),
        "first rows": t.order_by(s.desc(), "n").limit(7).select("n", "a_string"),
    }  # fmt: skip


@pytest.mark.parametrize("part", range(3))
def test_expressions_give_the_same(engines: Mapping[str, Engine], ends: Scan, part: int) -> None:
    asked = dict(list(expressions().items())[part::3])
    found, wanted = (engines[kind].many_rows(asked, {"ends": ends}) for kind in reversed(KINDS))
    differing = {}
    for name in asked:
        assert found[name].schema == wanted[name].schema
        rows = (found[name], wanted[name])
        here, there = map(_in_order if _is_ordered(asked[name]) else in_any_order, rows)
        if here != there:
            differing[name] = [(one, other) for one, other in zip(here, there, strict=False) if one != other][:3]
    assert differing == {}


def _is_ordered(expr: ir.Table) -> bool:
    return isinstance(expr.op(), ibis.expr.operations.Sort)


def _in_order(rows: pa.Table) -> list[str]:
    return [str(tuple(row.values())) for row in rows.to_pylist()]


def test_texts_are_ordered_by_their_bytes(engine: Engine, ends: Scan) -> None:
    """As Python orders UTF-8; not by UTF-16, in which 🎬 comes before \uffee, nor by a language."""
    rows = ENDS.unbound()
    expr = rows.filter(rows.a_string.notnull()).select("a_string").distinct().order_by("a_string")
    found = engine.rows(expr, {"ends": ends})["a_string"].to_pylist()
    assert found == sorted(found, key=str.encode)
    assert len(found) == len(COLUMNS["string"])


def test_what_cannot_be_cast_is_a_fault_and_no_missing_value(engine: Engine, ends: Scan) -> None:
    rows = ENDS.unbound()
    with pytest.raises(Exception, match=r"(?i)cast|convert"):
        engine.rows(rows.select(x=rows.a_string.cast("int32")), {"ends": ends})
    with pytest.raises(Exception, match=r"(?i)overflow|out of range"):
        engine.rows(rows.select(x=rows.a_int64.cast("int8")), {"ends": ends})
