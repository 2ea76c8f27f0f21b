"""Measure the warehouse in MySQL or MariaDB against a bare LOAD DATA, both in one run on one server; prints ratios.

    python bench/warehouse.py [--rows N] [--runs K] [--folder DIR]

Starts a server of its own, which it stops at the end. The platform and the bare statement take turns with the same
facts, from the lake and from a CSV file that is ready; medians are compared. Then: what each index costs and brings,
and whether each question has the same rows in the lake, in the DuckDB warehouse and in the server.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
from run import line, make_data, platform

from ratings_platform.answering import answers
from ratings_platform.lake.tables import LakeTable
from ratings_platform.orchestration.checks import records
from ratings_platform.schema.files import Scan, readable_size
from ratings_platform.schema.scans import scan_sql
from ratings_platform.schema.tables import Table
from ratings_platform.settings import load_settings, load_study_settings
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform.studies.market_study.tables import FACT_RATING
from ratings_platform.warehouse.duckdb import DuckDBWarehouse
from ratings_platform.warehouse.mysql import MySQLWarehouse
from ratings_platform.warehouse.mysql_ddl import create_mysql_table, mysql_index, mysql_name

# The tests know how to start a server.
sys.path.append(str(Path(__file__).parents[1]))
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, database_of, running

# What someone would give a server for some ten million rows.
OPTIONS = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=1G")
UNINDEXED = replace(FACT_RATING, indexes=())


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def lake(home: Path, table: Table) -> Scan:
    return LakeTable(str(home / "lake"), table).scan()


def write_csv(scan: Scan, file: Path) -> None:
    duckdb.sql(f"copy ({scan_sql(scan)}) to '{file}' (format csv, header false)")


# --- loading ----------------------------------------------------------------------------------------------------------


def load_bare(server: MySQLServer, table: Table, scan: Scan, csv: Path) -> float:
    """Seconds of the statement alone, into a table that is there and empty."""
    database = database_of(server.new_warehouse())
    columns = ", ".join(mysql_name(column.name) for column in table.columns)
    server.run(create_mysql_table(table, years=scan.rows_by_year().keys(), indexes=table.indexes), database)
    load = f"LOAD DATA INFILE '{csv}' INTO TABLE {table.name} FIELDS TERMINATED BY ',' ({columns})"
    took = seconds(lambda: server.run(load, database))
    drop_loaded(server, database, table, scan.rows)
    return took


def load_ours(server: MySQLServer, table: Table, scan: Scan) -> float:
    """Seconds until all years are live, and proved."""
    warehouse = server.new_warehouse()
    took = seconds(lambda: warehouse.load(table, scan))
    drop_loaded(server, database_of(warehouse), table, scan.rows)
    return took


def drop_loaded(server: MySQLServer, database: str, table: Table, rows: int) -> None:
    if server.run(f"SELECT COUNT(*) FROM {table.name}", database) != [(rows,)]:
        sys.exit(f"not all rows arrived in {table.name}")
    server.run(f"DROP DATABASE {database}")


def compare_loads(server: MySQLServer, table: Table, scan: Scan, csv: Path, runs: int) -> None:
    bare, ours = [], []
    for _ in range(runs):
        bare.append(load_bare(server, table, scan, csv))
        ours.append(load_ours(server, table, scan))
    rates = [scan.rows / statistics.median(took) for took in (bare, ours)]
    indexes = ", ".join("+".join(columns) for columns in table.indexes) or "none"
    print(f"\n{scan.rows:,} facts into {table.name}, indexes: {indexes}; medians of {runs}")
    for what, rate, took in zip(("bare LOAD DATA", "platform"), rates, (bare, ours), strict=True):
        line(what, f"{rate / 1e3:,.0f} k rows/s", " ".join(f"{t:.1f} s" for t in took))
    line("ratio", f"{rates[1] / rates[0]:.2f}", "wanted: at least 0.90")


# --- asking -----------------------------------------------------------------------------------------------------------


def ask(warehouse: DuckDBWarehouse | MySQLWarehouse) -> tuple[dict[str, pa.Table], dict[str, float]]:
    """Each question's rows, and its seconds (the second time, when what it needs is in memory)."""
    values = load_study_settings(STUDY.settings).model_dump()
    rows, took = {}, {}
    with warehouse.kept_open(read_only=True):
        for question in STUDY.questions:
            expr = question.expression(STUDY.tables, values)
            rows[question.table.name] = warehouse.rows(expr)
            took[question.table.name] = seconds(lambda expr=expr: warehouse.rows(expr))
    return rows, took


def add_indexes(server: MySQLServer, warehouse: MySQLWarehouse) -> None:
    print("\nindexes of fact_rating, built when all rows are in")
    for columns in FACT_RATING.indexes:
        before = warehouse.size(FACT_RATING)
        add = f"ALTER TABLE {FACT_RATING.name} ADD {mysql_index(columns)}"
        took = seconds(lambda add=add: server.run(add, database_of(warehouse)))
        server.run(f"ANALYZE TABLE {FACT_RATING.name}", database_of(warehouse))
        line(", ".join(columns), f"{took:.1f} s", readable_size(warehouse.size(FACT_RATING) - before))


def print_questions(without: dict[str, float], indexed: dict[str, float]) -> None:
    print("\nquestions in the server: seconds without and with the indexes")
    for name in without:
        line(name, f"{without[name]:.2f} s", f"{indexed[name]:.2f} s")
    line("all", f"{sum(without.values()):.2f} s", f"{sum(indexed.values()):.2f} s")


def print_equality(found: dict[str, dict[str, pa.Table]]) -> bool:
    """One line a question; whether all places have the same rows of all of them."""
    print(f"\nsame rows in {', '.join(found)}")
    all_equal = True
    for question in STUDY.questions:
        name = question.table.name
        first, *others = (records(rows[name]) for rows in found.values())
        equal = all(other == first for other in others)
        all_equal &= equal
        line(name, "equal" if equal else "DIFFERENT", f"{len(first):,} rows")
    return all_equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("data/bench"))
    args = parser.parse_args()
    folder = args.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)

    home, amazon = folder / "warehouse", args.rows // 40
    done = platform(make_data(folder, args.rows - amazon, amazon), home)
    facts, csv = lake(home, FACT_RATING), folder / "fact_rating.csv"
    print(f"{facts.rows:,} facts in the lake and in DuckDB after {done.seconds:.1f} s")
    write_csv(facts, csv)
    with running(*OPTIONS) as server:
        print(f"server: {server.run('SELECT VERSION()')[0][0]}, {' '.join(OPTIONS)}")
        for table in (UNINDEXED, FACT_RATING):
            compare_loads(server, table, facts, csv, args.runs)
        csv.unlink()

        warehouse = server.new_warehouse()
        for name in STUDY.warehouse:
            table = STUDY.tables[name]
            warehouse.load(UNINDEXED if table is FACT_RATING else table, lake(home, table))
        _, without = ask(warehouse)
        add_indexes(server, warehouse)
        in_server, indexed = ask(warehouse)
        print_questions(without, indexed)
        in_duckdb, _ = ask(DuckDBWarehouse(home / "warehouse.duckdb", "2.5GB"))
        in_lake = answers(STUDY, load_settings(home=home, lake=str(home / "lake")))
        if not print_equality({"lake": in_lake, "DuckDB": in_duckdb, "server": in_server}):
            sys.exit("the rows differ")


if __name__ == "__main__":
    main()
