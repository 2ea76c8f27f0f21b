"""What spark-submit runs: assets of a study, in the Spark application that it has started.

    spark-submit --master … submit.py market-study --only silver/ratings --only gold/fact_rating

The arguments are those of `ratings-platform run`. Started by a job of pipes.py, it tells Dagster of it through S3.
"""

import os
import sys

import boto3
from dagster_pipes import PipesS3MessageWriter, open_dagster_pipes
from typer.main import get_command

from ratings_platform.cli import app

os.environ.setdefault("RATINGS_ENGINE", "spark")
by_dagster = "DAGSTER_PIPES_MESSAGES" in os.environ

with open_dagster_pipes(message_writer=PipesS3MessageWriter(boto3.client("s3")) if by_dagster else None) as pipes:
    pipes.log.info(f"ratings-platform run {' '.join(sys.argv[1:])}")
    status = get_command(app).main(["run", *sys.argv[1:]], standalone_mode=False)
    if status:
        raise SystemExit(status)
