"""Measure what the settings for more than one machine cost on one: a lake on S3, and Spark; prints ratios.

    python bench/past_one_machine.py [--netflix N] [--amazon N] [--runs K] [--folder DIR]

The same study on the same files: DuckDB with the lake on disk, DuckDB with the lake on an S3 server of its own on this
machine, and Spark with the master local[2]. They take turns; medians are compared. The answers have to be equal.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

from run import PLATFORM, Run, line, make_data, measure

# The tests know how to start a server.
sys.path.append(str(Path(__file__).parents[1]))
from ratings_platform_tests.aws_server import AWSServer
from ratings_platform_tests.aws_server import running as s3_server

DISK, S3, SPARK = "DuckDB, lake on disk", "DuckDB, lake on S3", "Spark local[2], lake on disk"


def study(data: Path, home: Path, settings: Mapping[str, str]) -> tuple[Run, str]:
    """The whole study into a new home, and its answers as JSON."""
    shutil.rmtree(home, ignore_errors=True)
    environment = {"RATINGS_HOME": str(home), "DAGSTER_HOME": "", **settings}
    run = measure([PLATFORM, "run", "--source", str(data)], **environment)
    return run, measure([PLATFORM, "answers", "--format", "json"], **environment).output


def new_bucket(server: AWSServer, number: int) -> dict[str, str]:
    """Settings for a lake in a bucket that holds nothing; what earlier ones hold is dropped, for it lies in memory."""
    client, name = server.client("s3"), f"lake-{number}"
    for bucket in client.list_buckets()["Buckets"]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for found in page.get("Contents", ()):
                client.delete_object(Bucket=bucket["Name"], Key=found["Key"])
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": server.region})
    return {**server.environment, "RATINGS_LAKE": f"s3://{name}/lake"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netflix", type=int, default=9_000_000)
    parser.add_argument("--amazon", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("data/bench"))
    args = parser.parse_args()
    folder = args.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    data, home = make_data(folder, args.netflix, args.amazon), folder / "elsewhere"

    runs: dict[str, list[Run]] = {DISK: [], S3: [], SPARK: []}
    found: set[str] = set()
    with s3_server(folder) as server:
        for number in range(args.runs):
            for name, settings in (
                (DISK, {}),
                (S3, new_bucket(server, number)),
                (SPARK, {"RATINGS_ENGINE": "spark", "RATINGS_SPARK_MASTER": "local[2]"}),
            ):
                run, answers = study(data, home, settings)
                runs[name].append(run)
                found.add(answers)
    print(f"\n{args.netflix:,} Netflix and {args.amazon:,} Amazon ratings, files to answers, medians of {args.runs}")
    seconds = {name: statistics.median(run.seconds for run in of_name) for name, of_name in runs.items()}
    for name, of_name in runs.items():
        listed = " ".join(f"{run.seconds:.1f}" for run in of_name)
        line(name, f"{seconds[name]:.1f} s", listed)
    line("S3 on this machine : disk", f"{seconds[S3] / seconds[DISK]:.2f}", "wanted: at most 1.50")
    line("Spark : DuckDB", f"{seconds[SPARK] / seconds[DISK]:.1f}")
    line("answers", "equal" if len(found) == 1 else "NOT EQUAL")


if __name__ == "__main__":
    main()
