"""Measure how one Netflix file is read on Spark: the platform's way against the usual PySpark way; prints the ratio.

    python bench/spark_reading.py [--ratings N] [--runs K] [--folder DIR] [--file FILE]

Both run with the master local[2], each time in a process of its own, and take turns; medians are compared. `--file`
is a file to read instead of a made one, beside the `movie_titles.csv` that it belongs to.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f
from run import line, make_data, measure

from ratings_platform.engines import spark_text
from ratings_platform.schema.reading import SourceFile
from ratings_platform.studies.market_study.study import STUDY

FILES_OF_A_SAMPLE = 4


def usual_way(session: SparkSession, file: Path, out: Path) -> None:
    """Number the lines, carry the last header forward over a window of the whole file."""
    lines = session.read.text(str(file)).withColumn("file", f.input_file_name())
    lines = lines.withColumn("number", f.monotonically_increasing_id())
    header, part = f.col("value").endswith(":"), f.split("value", ",")
    so_far = Window.partitionBy("file").orderBy("number").rowsBetween(Window.unboundedPreceding, 0)
    film = f.last(f.when(header, f.regexp_replace("value", ":", "")), ignorenulls=True).over(so_far)
    rows = lines.withColumn("product_id", film).filter(~header)
    rows.select(
        f.col("product_id").cast("int"),
        part[0].cast("int").alias("customer_id"),
        part[1].cast("tinyint").alias("star_rating"),
        part[2].cast("date").alias("review_date"),
    ).write.parquet(str(out))


def platforms_way(session: SparkSession, file: Path, out: Path) -> None:
    titles, ratings, _ = STUDY.ingests
    films = titles.reader([SourceFile("movie_titles.csv", file.parent / "movie_titles.csv")], {}).rows
    known = {titles.table.name: films}
    spark_text.store(session, ratings, [SourceFile(file.name, file)], known, str(out.parent), out.name)


WAYS: dict[str, Callable[[SparkSession, Path, Path], None]] = {"usual": usual_way, "platform": platforms_way}


def read(way: str, file: Path, out: Path) -> None:
    """In a process of its own."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "8g")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    start = time.perf_counter()
    WAYS[way](session, file, out)
    print(f"\nread in {time.perf_counter() - start:.2f} s")


def timed(way: str, file: Path, out: Path) -> tuple[float, float]:
    """Seconds of the reading, and of the whole process with the start of Spark."""
    shutil.rmtree(out, ignore_errors=True)
    run = measure([sys.executable, __file__, "--way", way, "--file", str(file), "--folder", str(out)])
    found = re.search(r"^read in ([\d.]+) s", run.output, re.MULTILINE)
    return float(found.group(1)) if found else float("nan"), run.seconds


def rows_in(folder: Path) -> int:
    return int(pl.scan_parquet(folder / "**/*.parquet").select(pl.len()).collect().item())


def compare(file: Path, folder: Path, runs: int) -> None:
    took: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way in WAYS:
            took[way].append(timed(way, file, folder / f"spark-{way}"))
    counts = {way: rows_in(folder / f"spark-{way}") for way in WAYS}
    if len(set(counts.values())) != 1:
        sys.exit(f"the two read different numbers of rows: {counts}")
    load = os.getloadavg()[0]
    print(f"\n{counts['usual']:,} Netflix ratings read on Spark local[2], medians of {runs}, load {load:.1f}")
    reading = {way: statistics.median(seconds for seconds, _ in took[way]) for way in WAYS}
    whole = {way: statistics.median(seconds for _, seconds in took[way]) for way in WAYS}
    line("the usual PySpark way, numbered lines and a window", f"{reading['usual']:.1f} s")
    line("the platform's way, pieces cut at film headers", f"{reading['platform']:.1f} s")
    line("ratio", f"{reading['usual'] / reading['platform']:.1f}", "wanted: at least 5")
    line("ratio of the whole processes, start of Spark included", f"{whole['usual'] / whole['platform']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=10_000_000, help="about how many the made file holds")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("data/bench"))
    parser.add_argument("--file", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.folder.absolute()
    if args.way:
        read(args.way, args.file, folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    made = make_data(folder, args.ratings * FILES_OF_A_SAMPLE, 1_000) if args.file is None else None
    compare(args.file.absolute() if made is None else made / "combined_data_1.txt", folder, args.runs)


if __name__ == "__main__":
    main()
