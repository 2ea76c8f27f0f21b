"""Vendor text on Spark: the same as read whole by one process, also when workers die, and errors that people can read.

Belongs here: what Spark adds to pieces. Does not belong here: cutting and formats, tested without Spark.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from pyspark.sql import SparkSession

from ratings_platform.engines import pieces, spark_text, text
from ratings_platform.engines.spark import SparkEngine
from ratings_platform.schema.errors import PlatformError, SourceError, TransientError
from ratings_platform.schema.files import DataFile
from ratings_platform.schema.reading import Parsed, SourceFile
from ratings_platform.schema.study import Ingest
from ratings_platform.studies.market_study.sample import write_sample
from ratings_platform.studies.market_study.study import STUDY

pytestmark = pytest.mark.integration

MOVIES, NETFLIX, AMAZON = STUDY.ingests
FILES = {
    MOVIES: "movie_titles.csv",
    NETFLIX: "combined_data_1.txt",
    AMAZON: "amazon_reviews_us_Video_DVD_v1_00.tsv",
}


@pytest.fixture
def session(spark: Callable[[], SparkSession]) -> SparkSession:
    return spark()


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vendor files with every fault planted."""
    folder = tmp_path_factory.mktemp("vendor")
    write_sample(folder, netflix=12_000, amazon=800, seed=3, dirty=True)
    return folder


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces.cut_up, "__defaults__", (12_000,))


def known(vendor: Path) -> dict[str, pl.LazyFrame]:
    return {"movies_netflix": MOVIES.reader([SourceFile("titles", vendor / FILES[MOVIES])], {}).rows}


def content(root: Path, stored: text.Stored) -> tuple[object, ...]:
    """Rows by year, rejects and counts."""
    rows: dict[int | None, list[tuple]] = {}
    for file in stored.files:
        rows.setdefault(file.first_day and file.first_day.year, []).extend(pl.read_parquet(root / file.path).rows())
    rejects = pl.read_parquet(root / stored.rejects.path).rows() if stored.rejects else []
    return rows, rejects, stored.lines, stored.structure, stored.kept, stored.rejected


def left(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("ingest", FILES, ids=FILES.values())
def test_the_same_is_stored_as_by_one_process(
    session: SparkSession, vendor: Path, tmp_path: Path, ingest: Ingest
) -> None:
    files, films = [SourceFile(FILES[ingest], vendor / FILES[ingest])], known(vendor)
    whole = text.store(ingest.reader(files, films), ingest.table, str(tmp_path), "whole")
    stored = spark_text.store(session, ingest, files, films, str(tmp_path), "spark")
    assert whole.rejected
    assert content(tmp_path, stored) == content(tmp_path, whole)
    assert len({Path(file.path).parent for file in stored.files}) == len(list(pieces.cut_up(files, ingest.cut)))
    assert not (tmp_path / "_rejects/spark").exists()


def dying_once(ingest: Ingest, deaths: Path) -> Ingest:
    """The same, but the first worker to have written a piece's rows dies before it can tell."""

    def die(rejects: pl.DataFrame) -> pl.DataFrame:
        try:
            deaths.touch(exist_ok=False)
        except FileExistsError:
            return rejects
        os._exit(1)

    def read(files: Sequence[SourceFile], films: Mapping[str, pl.LazyFrame]) -> Parsed:
        parsed = ingest.reader(files, films)
        return replace(parsed, rejects=parsed.rejects.map_batches(die))

    return replace(ingest, reader=read)


def test_a_worker_that_dies_after_it_wrote_leaves_no_row_twice(
    session: SparkSession, vendor: Path, tmp_path: Path
) -> None:
    files, films = [SourceFile(FILES[NETFLIX], vendor / FILES[NETFLIX])], known(vendor)
    whole = text.store(NETFLIX.reader(files, films), NETFLIX.table, str(tmp_path), "whole")
    ingest = dying_once(NETFLIX, tmp_path / "deaths")
    stored = spark_text.store(session, ingest, files, films, str(tmp_path), "spark")
    assert content(tmp_path, stored) == content(tmp_path, whole)
    # The first attempt's rows are there, and no part of what was stored.
    named = {file.path for file in stored.files}
    unnamed = {path for path in left(tmp_path) if path.startswith("spark/")} - named
    assert unnamed
    assert named <= set(left(tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        SourceError("is odd", file="combined_data_1.txt", line=3, remedy="Mend it."),
        PlatformError("the disk is full", file="lake", remedy="Free some space."),
        TransientError("the network is slow"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_for_people_arrive_as_they_are(
    session: SparkSession, vendor: Path, tmp_path: Path, error: Exception
) -> None:
    """From a later piece, when others have written already; nothing of them is left."""

    def read(files: Sequence[SourceFile], films: Mapping[str, pl.LazyFrame]) -> Parsed:
        if not files[0].from_start:
            raise error
        return NETFLIX.reader(files, films)

    files = [SourceFile(FILES[NETFLIX], vendor / FILES[NETFLIX])]
    with pytest.raises(type(error)) as caught:
        spark_text.store(session, replace(NETFLIX, reader=read), files, known(vendor), str(tmp_path), "unit")
    assert (type(caught.value), vars(caught.value), str(caught.value)) == (type(error), vars(error), str(error))
    assert left(tmp_path) == []


def test_files_of_which_no_row_can_be_used_are_refused_as_a_whole(session: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "ratings"
    file.write_bytes(b"9:\n" + b"12,3,2005-01-02\n" * 3000)
    films = {"movies_netflix": pl.LazyFrame({"product_id": [1]}, {"product_id": pl.Int32})}
    with pytest.raises(SourceError, match=r"ratings\.txt, line 2: none of its 3,000 rows can be used; the first: film"):
        spark_text.store(session, NETFLIX, [SourceFile("ratings.txt", file)], films, str(tmp_path / "lake"), "unit")
    assert left(tmp_path / "lake") == []


def test_workers_without_the_packages_get_one_line(
    session: SparkSession, vendor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(session.sparkContext, "pythonExec", str(bare))
    titles = [SourceFile("titles", vendor / FILES[MOVIES])]
    with pytest.raises(PlatformError) as caught:
        spark_text.store(session, MOVIES, titles, {}, str(tmp_path / "lake"), "unit")
    assert re.fullmatch(
        f"{bare}: Spark's Python workers cannot run this platform: No module named '[a-z_]+'. "
        "Install this platform there too, or name another Python for the workers in PYSPARK_PYTHON.",
        str(caught.value),
    )


def test_an_error_that_nobody_foresaw_is_told_in_its_own_words(
    spark: Callable[[], SparkSession], vendor: Path, tmp_path: Path
) -> None:
    def read(files: Sequence[SourceFile], films: Mapping[str, pl.LazyFrame]) -> Parsed:
        raise ZeroDivisionError("in the reader")

    titles = [SourceFile("titles", vendor / FILES[MOVIES])]
    with pytest.raises(PlatformError) as caught:
        SparkEngine(spark).store(replace(MOVIES, reader=read), titles, {}, str(tmp_path / "lake"), "unit")
    assert caught.value.problem == "Spark failed over bronze/movies_netflix: ZeroDivisionError: in the reader"
    assert "in read\n" in str(caught.value.__cause__)  # where it happened, too


def test_folders_that_machines_do_not_share_are_named(tmp_path: Path) -> None:
    piece = pieces.Piece((SourceFile("a.txt", tmp_path / "a.txt"),))
    unseen = spark_text._store_piece((0, piece), MOVIES, {}, str(tmp_path), "unit")
    assert str(unseen).startswith(f"{tmp_path}/a.txt: a Spark worker does not see this file. Let all machines share ")
    elsewhere = text.Stored((DataFile("unit/a.parquet", 1, 1),), None, 1, 0)
    with pytest.raises(PlatformError, match=r"unit/a.parquet: a Spark worker wrote a file that is not here\. Let all "):
        spark_text._stored(elsewhere, str(tmp_path))
