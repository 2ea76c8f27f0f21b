"""Vendor text to Parquet on Spark: each piece of the files is read by a Python worker of an executor.

Belongs here: handing pieces to executors, and what comes back of them. Does not belong here: how a piece is cut, read
and stored, the same wherever that is done. The workers need this package and its libraries, and must see the files
and the lake under the same paths as the driver.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import polars as pl
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from ratings_platform.engines.pieces import Piece, cut_up, put_together, store_piece
from ratings_platform.engines.spark_files import SHARE
from ratings_platform.engines.text import Stored, rejects_path
from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.schema.reading import SourceFile
from ratings_platform.schema.study import Ingest

# What Spark's workers say of a Python that is not the driver's.
_UNFIT = re.compile(r"(?<=ModuleNotFoundError: )No module named \S+|Python in worker has different version: [^,]+")
_INSTALL = "Install this platform there too, or name another Python for the workers in PYSPARK_PYTHON."


def store(
    session: SparkSession,
    ingest: Ingest,
    files: Sequence[SourceFile],
    known: Mapping[str, pl.LazyFrame],
    root: str,
    folder: str,
) -> Stored:
    """What `text.store` does, piece by piece on the executors; only counts and names of files come back.

    Only files of attempts that Spark counts as successful are named, so others, left by attempts that died or came
    second, are no part of the table.
    """
    pieces = list(cut_up(files, ingest.cut))
    context = session.sparkContext
    tables = {name: frame.collect() for name, frame in known.items()}
    task = partial(_store_piece, ingest=ingest, known=tables, root=root, folder=folder)
    try:
        with _fit_python(context.pythonExec):
            results = context.parallelize(list(enumerate(pieces)), len(pieces)).map(task).collect()
        return put_together(pieces, [_stored(result, root) for result in results], root, folder)
    except BaseException:
        for left in (folder, rejects_path(folder).removesuffix(".parquet")):
            shutil.rmtree(Path(root, left), ignore_errors=True)
        raise


def _store_piece(
    numbered: tuple[int, Piece], ingest: Ingest, known: Mapping[str, pl.DataFrame], root: str, folder: str
) -> Stored | PlatformError | TransientError:
    """On an executor. Errors that are meant for people are results: Spark would try again, and bury them in its own."""
    number, piece = numbered
    try:
        for file in piece.files:
            if not file.path.exists():
                raise PlatformError("a Spark worker does not see this file", file=str(file.path), remedy=SHARE)
        frames = {name: frame.lazy() for name, frame in known.items()}
        # A folder for each attempt, since two of one task may be at work at once.
        own = f"{folder}/{number:05}-{uuid4().hex[:8]}"
        return store_piece(piece, ingest.reader, frames, ingest.table, root, own)
    except (PlatformError, TransientError) as error:
        return error


@contextmanager
def _fit_python(python: str) -> Iterator[None]:
    """Raise PlatformError when a job fails because the workers' Python is not like the driver's."""
    try:
        yield
    except Py4JJavaError as error:
        unfit = _UNFIT.search(str(error.java_exception.getMessage()))
        if unfit is None:
            raise
        problem = f"Spark's Python workers cannot run this platform: {unfit[0]}"
        raise PlatformError(problem, file=python, remedy=_INSTALL) from error


def _stored(result: Stored | PlatformError | TransientError, root: str) -> Stored:
    if not isinstance(result, Stored):
        raise result
    for file in result.files:
        if not Path(root, file.path).exists():
            raise PlatformError(
                "a Spark worker wrote a file that is not here", file=f"{root}/{file.path}", remedy=SHARE
            )
    return result
