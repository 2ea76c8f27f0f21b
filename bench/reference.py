"""The market study by hand: what the benchmark compares the platform with.

One Polars + DuckDB script, no platform: vendor files -> bronze -> silver by year -> star schema -> five answers.
Prints the seconds of each step, then the total and the peak memory.

    python bench/reference.py DATA OUT      DATA: a folder with the vendors' plain files; OUT: is emptied first
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from pathlib import Path

import duckdb
import polars as pl

AMAZON_TYPES = {
    "marketplace": "VARCHAR",
    "customer_id": "INTEGER",
    "review_id": "VARCHAR",
    "product_id": "VARCHAR",
    "product_parent": "INTEGER",
    "product_title": "VARCHAR",
    "product_category": "VARCHAR",
    "star_rating": "TINYINT",
    "helpful_votes": "INTEGER",
    "total_votes": "INTEGER",
    "vine": "VARCHAR",
    "verified_purchase": "VARCHAR",
    "review_headline": "VARCHAR",
    "review_body": "VARCHAR",
    "review_date": "DATE",
}
RATED = "fact_rating join dim_product using (product_key)"
LAST_DAYS = f"select company, max(time_key) as time_key from {RATED} group by company"
ANSWERS = {
    "catalogue sizes": "select company, count(*), count(distinct title) from dim_product group by company",
    "mean ratings": f"select company, avg(star_rating), count(*) from {RATED} group by company",
    "10 most rated": f"select title, count(*) as n from {RATED} group by title order by n desc, title limit 10",
    "5 busiest customers each": f"""
        select * from (
            select company, customer_id, count(*) as n, count(distinct product_key) as products
            from {RATED} group by company, customer_id)
        qualify row_number() over (partition by company order by n desc, products desc, customer_id) <= 5""",
    "last day": f"""
        select company, count(distinct product_key), count(*)
        from {RATED} join ({LAST_DAYS}) using (company, time_key) group by company""",
}


def bronze_netflix(data: Path, out: Path) -> None:
    """Carry each film header forward over its ratings."""
    header = pl.col("stars").is_null()
    film = pl.col("customer").str.strip_suffix(":").cast(pl.Int32, strict=False)
    for file in sorted(data.glob("combined_data_*.txt")):
        (
            pl.scan_csv(
                file,
                has_header=False,
                schema={"customer": pl.String, "stars": pl.Int8, "day": pl.Date},
                truncate_ragged_lines=True,
                missing_columns="insert",
            )
            .with_columns(pl.when(header).then(film).forward_fill().alias("product_id"))
            .filter(~header)
            .select(
                "product_id",
                pl.col("customer").cast(pl.Int32).alias("customer_id"),
                pl.col("stars").alias("star_rating"),
                pl.col("day").alias("review_date"),
            )
            .sink_parquet(out / f"netflix_{file.stem}.parquet")
        )


def bronze_amazon_and_movies(db: duckdb.DuckDBPyConnection, data: Path, out: Path) -> None:
    db.execute(f"""
        copy (select * from read_csv('{data}/amazon_reviews_us_*.tsv',
            delim='\t', quote='', escape='', header=true, columns={AMAZON_TYPES}))
        to '{out}/amazon.parquet' (compression zstd)""")
    db.execute(f"""
        create table movies as
        select split_part(line, ',', 1) as product_id,
            coalesce(try_cast(split_part(line, ',', 2) as int), 0) as year_released,
            regexp_replace(line, '^[^,]*,[^,]*,', '') as title,
            'Netflix' as company
        from read_csv('{data}/movie_titles.csv',
            columns={{'line': 'VARCHAR'}}, delim='\x01', quote='', header=false, encoding='latin-1')
        union all
        select product_id, 0, mode(product_title), 'Amazon' from '{out}/amazon.parquet' group by product_id""")


def silver_ratings(db: duckdb.DuckDBPyConnection, out: Path) -> None:
    columns = "customer_id, star_rating, review_date"
    db.execute(f"""
        copy (
            select cast(product_id as varchar) as product_id, {columns}, 'Netflix' as company, year(review_date) as year
            from '{out}/netflix_*.parquet'
            union all
            select product_id, {columns}, 'Amazon', year(review_date) from '{out}/amazon.parquet')
        to '{out}/silver/ratings' (format parquet, partition_by (year), compression zstd)""")


def star_schema(db: duckdb.DuckDBPyConnection, out: Path) -> None:
    time_key = "cast(strftime({}, '%Y%m%d') as int) as time_key"
    db.execute("""
        create table dim_product as
        select row_number() over (order by company, product_id) as product_key, * from movies""")
    db.execute(f"""
        create table dim_time as
        select {time_key.format("d")}, cast(d as date) as date, year(d) as year, month(d) as month
        from range(date '1995-01-01', date '2016-01-01', interval 1 day) t(d)""")
    db.execute(f"""
        create table fact_rating as
        select p.product_key, {time_key.format("review_date")}, customer_id, star_rating
        from read_parquet('{out}/silver/ratings/*/*.parquet', hive_partitioning=true)
        join dim_product p using (company, product_id)""")


class Laps:
    """Prints the seconds of each step, and at the end the total and the peak memory."""

    def __init__(self) -> None:
        self.start = self.lap_start = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        print(f"{name:24s}{now - self.lap_start:8.1f} s", flush=True)
        self.lap_start = now

    def total(self) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{'TOTAL':24s}{time.perf_counter() - self.start:8.1f} s   peak {peak} MiB")


def main(data: Path, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    (out / "silver").mkdir(parents=True)
    laps = Laps()
    bronze_netflix(data, out)
    laps.lap("bronze netflix")
    db = duckdb.connect(str(out / "dw.duckdb"))
    db.execute("set preserve_insertion_order = false")
    bronze_amazon_and_movies(db, data, out)
    laps.lap("bronze amazon, movies")
    silver_ratings(db, out)
    laps.lap("silver ratings by year")
    star_schema(db, out)
    laps.lap("star schema")
    for name, query in ANSWERS.items():
        db.execute(query).fetchall()
        laps.lap("answer: " + name[:16])
    laps.total()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python bench/reference.py DATA OUT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
