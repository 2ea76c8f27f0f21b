"""Lake tables: Delta tables whose files the engines write and whose versions this module publishes.

Belongs here: the Delta log (which files are live, one commit that swaps them, what a version says of itself). Does
not belong here: writing or reading the Parquet files, and what the tables mean.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from ratings_platform.schema.errors import PassingError, PlatformError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.tables import Table

logger = logging.getLogger(__name__)

_PUBLISH_TRIES = 10
# Delta's own least: a reader or writer that is still at work needs its files.
_RETENTION_HOURS = 7 * 24
# In a path the Delta library decodes % and turns \ round; DuckDB takes name=value for a partition, before ours.
_MISREAD = re.compile(r"[%=\\]")


class LakeTable:
    """One table of the lake: whole versions for readers, one commit for writers.

    Writers put files below a folder of their own (`new_folder`) and then `publish` them: readers see the version before
    or the version after. Whatever a killed writer leaves is not in the log, so nobody reads it.
    """

    def __init__(self, root: str, table: Table):
        if _MISREAD.search(root):
            raise PlatformError(
                "the folder's path holds one of % = \\, which libraries read as something else",
                file=root,
                remedy="Choose another folder: set RATINGS_LAKE.",
            )
        self.table = table
        self.uri = f"{root.rstrip('/')}/{table.path}"

    def new_folder(self, hint: str = "part") -> str:
        """Name, relative to the table, of a folder that no writer has used before."""
        return f"{hint}-{uuid.uuid4().hex[:12]}"

    def scan(self, years: Collection[int] | None = None) -> Scan:
        """The last version, lazily; no files when the table was never published."""
        delta = self._open()
        if delta is None:
            scan = Scan(self.table, self.uri, ())
        else:
            self._refuse_drift(delta)
            scan = Scan(self.table, self.uri, tuple(_data_files(delta, self.table)), version=delta.version())
        return scan if years is None else scan.of_years(years)

    def info(self) -> dict[str, Any]:
        """What the last version says of itself (see `publish`); empty when there is none."""
        delta = self._open()
        if delta is None:
            return {}
        # Versions that only tidied up say nothing: the last that published counts.
        published = (entry for limit in (1, None) for entry in delta.history(limit) if "info" in entry)
        return json.loads(next(published, {}).get("info", "{}"))

    def publish(
        self,
        files: Sequence[DataFile],
        *,
        years: Collection[int] | None = None,
        info: Mapping[str, Any] | None = None,
        follows: Scan | None = None,
    ) -> int:
        """Make `files` the table's content in one commit, or the content of some `years` only.

        `info` is kept with the version. Files that are live already may be named again and stay. Returns the version.
        Two writers at once: the later commit wins whole tables or years; neither ever mixes with the other. Content
        that was made from the table's own last version `follows` that one: raises PassingError when it no longer is
        the last, since it must then be made again.
        """
        # No retries inside: the library would only look for files removed twice, and let two writers both add.
        commit = CommitProperties(custom_metadata={"info": json.dumps(info or {})}, max_commit_retries=0)
        for _ in range(_PUBLISH_TRIES):
            delta = self._open()
            if follows is not None and follows.version != (delta.version() if delta else None):
                raise PassingError(f"{self.table.path}: another run has published since this one read it")
            try:
                if delta is None:
                    self._create(files, commit)
                    return 0
                self._refuse_drift(delta)
                self._replace(delta, files, years, commit)
                self._tidy()
                return delta.version() + 1
            except CommitFailedError as conflict:
                logger.info("%s: another writer published first, trying again (%s)", self.table.path, conflict)
                time.sleep(0.1)
                continue
            except (DeltaError, OSError) as error:
                if delta is None and self._open() is not None:  # another writer created the table just now
                    continue
                raise PlatformError(
                    f"the new version could not be published: {_one_line(error)}",
                    file=self.uri,
                    remedy="Mend the storage named in the message and run again; readers still see the last version.",
                ) from error
        raise PassingError(f"{self.table.path}: other writers published {_PUBLISH_TRIES} times in between")

    def _tidy(self) -> None:
        """Remove files that no version of the last days needs, whether replaced or left by killed runs."""
        delta = DeltaTable(self.uri)
        if delta.vacuum(retention_hours=_RETENTION_HOURS, dry_run=True, full=True):
            delta.vacuum(retention_hours=_RETENTION_HOURS, dry_run=False, full=True)

    def _open(self) -> DeltaTable | None:
        if not Path(self.uri, "_delta_log").is_dir():
            return None
        try:
            return DeltaTable(self.uri)
        except TableNotFoundError:
            return None

    def _create(self, files: Sequence[DataFile], commit: CommitProperties) -> None:
        Path(self.uri).mkdir(parents=True, exist_ok=True)
        create_table_with_add_actions(
            self.uri,
            Schema.from_arrow(self.table.arrow_schema),
            [_add(f, self.table) for f in files],
            mode="error",
            partition_by=[self.table.partition_by] if self.table.partition_by else [],
            name=self.table.path,
            description=self.table.description,
            commit_properties=commit,
        )

    def _replace(
        self, delta: DeltaTable, files: Sequence[DataFile], years: Collection[int] | None, commit: CommitProperties
    ) -> None:
        live = {f.path: f for f in _data_files(delta, self.table)}
        named = {f.path for f in files}
        gone = [f for f in live.values() if f.path not in named and (years is None or f.year in years)]
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [_add(f, self.table) for f in files if f.path not in live]
        actions += [
            RemoveAction(
                path=f.path,
                size=f.size,
                partition_values=_partition(f, self.table),
                deletion_timestamp=now,
                data_change=True,
            )
            for f in gone
        ]
        delta.create_write_transaction(
            actions,
            mode="append",
            schema=delta.schema(),
            partition_by=[self.table.partition_by] if self.table.partition_by else [],
            commit_properties=commit,
        )

    def _refuse_drift(self, delta: DeltaTable) -> None:
        """Raise when the stored table no longer has the declared columns."""
        stored = pa.schema(delta.schema().to_arrow())
        found, declared = [(f.name, str(f.type)) for f in stored], [(f.name, str(f.type)) for f in self._declared()]
        if found != declared:
            differing = sorted(set(found) ^ set(declared))
            raise PlatformError(
                f"the stored table has other columns than declared: {differing}",
                file=self.uri,
                remedy="Move this folder away and materialise the table again.",
            )

    def _declared(self) -> pa.Schema:
        return pa.schema(Schema.from_arrow(self.table.arrow_schema).to_arrow())


def _one_line(error: Exception) -> str:
    """The library's words without its colours, arrows and line breaks."""
    return " ".join(re.sub(r"\x1b\[\d*m|↳", " ", str(error)).split())


def _partition(file: DataFile, table: Table) -> dict[str, str | None]:
    return {table.partition_by: str(file.year)} if table.partition_by else {}


def _add(file: DataFile, table: Table) -> AddAction:
    stats: dict[str, Any] = {"numRecords": file.rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    if table.time_column and file.first_day and file.last_day:
        stats["minValues"][table.time_column] = file.first_day.isoformat()
        stats["maxValues"][table.time_column] = file.last_day.isoformat()
    return AddAction(
        path=file.path,
        size=file.size,
        partition_values=_partition(file, table),
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps(stats),
    )


def _data_files(delta: DeltaTable, table: Table) -> list[DataFile]:
    # By way of a stream: pyarrow's other ways in import pandas first.
    actions = pa.RecordBatchReader.from_stream(delta.get_add_actions(flatten=True)).read_all().to_pylist()
    return sorted((_data_file(a, table) for a in actions), key=lambda f: (f.year or 0, f.first_day or date.min, f.path))


def _data_file(action: Mapping[str, Any], table: Table) -> DataFile:
    low, high = (action.get(f"{end}.{table.time_column}") for end in ("min", "max"))
    year = action[f"partition.{table.partition_by}"] if table.partition_by else None
    return DataFile(
        path=action["path"],
        rows=action["num_records"],
        size=action["size_bytes"],
        year=int(year) if year is not None else None,
        first_day=low,
        last_day=high,
    )
