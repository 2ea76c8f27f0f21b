"""Lake tables: Delta tables whose files the engines write and whose versions this module publishes.

Belongs here: the Delta log (which files are live, one commit that swaps them, what a version says of itself). Does
not belong here: writing or reading the Parquet files, where they lie (`storage`), and what the tables mean.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from ratings_platform.lake.storage import DiskStorage, Storage
from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.schema.files import SIDECARS, DataFile, Scan
from ratings_platform.schema.tables import Table

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PUBLISH_TRIES = 10
# After so many versions the log is summed up: who opens a table reads the sum and what came after it.
_CHECKPOINT_INTERVAL = 10
# The library would tell a checkpoint that could not be written as a commit that failed.
_NOTHING_AFTER = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
# Seconds before what failed on the way is tried once more, and again.
_WAITS = (0.2, 1.0)
# What a commit says, beside its info, so that its writer knows it again.
_MARK = "publication"
# What a version says of single years, in its info.
YEARS = "years"
# The sidecars that a version speaks of; logs of all lakes say it in this word.
_SIDECARS = "beside"
# Delta's own least: a reader or writer that is still at work needs its files.
_RETENTION_HOURS = 7 * 24


@dataclass(frozen=True)
class Version:
    """One version of a table: `rows` and `size` (bytes) of its files, and the `info` that it was published with."""

    number: int
    time: datetime
    rows: int
    size: int
    info: Mapping[str, Any]


class LakeTable:
    """One table of the lake: whole versions for readers, one commit for writers.

    Writers put files below a folder of their own (`new_folder`) in `local_root` and then `publish` them: readers see
    the version before or the version after. Whatever a killed writer leaves is not in the log, so nobody reads it.
    """

    def __init__(self, lake: Storage | str, table: Table):
        """`lake` is a storage, or a folder on this machine."""
        self._lake = DiskStorage(lake) if isinstance(lake, str) else lake
        self.table = table
        self.uri = f"{self._lake.root}/{table.path}"

    @property
    def local_root(self) -> str:
        """The folder on this machine that engines write into: the table's own, or one that is sent from."""
        return self._lake.folder(self.table.path)

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

    def materialised(self) -> Scan:
        """The last version, lazily. Raises PlatformError when the table was never published."""
        scan = self.scan()
        if scan.version is None:
            raise PlatformError(
                f"{self.table.path} is not materialised yet",
                file=self.uri,
                remedy=f"Materialise {self.table.path} first, or run the whole study: ratings-platform run",
            )
        return scan

    def info(self) -> dict[str, Any]:
        """What the last version says of itself (see `publish`); empty when there is none."""
        return self._said(self._open())

    def publish(
        self,
        files: Sequence[DataFile],
        *,
        years: Collection[int] | None = None,
        info: Mapping[str, Any] | None = None,
        by_year: Mapping[int, Any] | None = None,
        sidecars: Collection[str] = (),
        follows: Scan | None = None,
    ) -> int:
        """Make `files` the table's content in one commit, or the content of some `years` only.

        `info` is kept with the version, and so is `by_year`, below "years", with what versions before said of other
        years; `sidecars` are paths of files that it speaks of and that hold no rows of the table. Files that are live
        already may be named again and stay. Returns the version.
        Two writers at once: the later commit wins whole tables or years; neither ever mixes with the other. Content
        that was made from the table's own last version `follows` that one: raises TransientError when it no longer is
        the last, since it must then be made again.
        """
        below = {f"{self.table.path}/{path}": path for path in (*(file.path for file in files), *sidecars)}
        absent = {below[path] for path in self._lake.send(below)}
        self._refuse_lost(absent)
        said = {"info": json.dumps(info or {}), _SIDECARS: json.dumps(sorted(sidecars)), _MARK: uuid.uuid4().hex}
        version = self._commit(files, years, said, by_year or {}, follows)
        self._keep_house(version)
        return version

    def _commit(
        self,
        files: Sequence[DataFile],
        years: Collection[int] | None,
        said: dict[str, str],
        by_year: Mapping[int, Any],
        follows: Scan | None,
    ) -> int:
        waits = iter(_WAITS)
        for before in range(_PUBLISH_TRIES):
            delta = self._open()
            if delta and before and (done := self._version_marked(delta, said[_MARK])) is not None:
                return done
            if follows is not None and follows.version != (delta.version() if delta else None):
                raise TransientError(f"{self.table.path}: another run has published since this one read it")
            if by_year:
                years_said = self._said(delta).get(YEARS, {}) | {str(year): about for year, about in by_year.items()}
                said["info"] = json.dumps({**json.loads(said["info"]), YEARS: years_said})
            # No retries inside: the library would only look for files removed twice, and let two writers both add.
            commit = CommitProperties(custom_metadata=said, max_commit_retries=0)
            try:
                with self._lake.faults():
                    if delta is None:
                        self._create(files, commit)
                        return 0
                    self._refuse_drift(delta)
                    self._replace(delta, files, years, commit)
                    return delta.version() + 1
            except CommitFailedError as conflict:
                logger.info("%s: another writer published first, trying again (%s)", self.table.path, conflict)
                time.sleep(0.1)
            except TransientError:
                # Whether the version came through is not known: the next look into the log tells.
                if (wait := next(waits, None)) is None:
                    raise
                time.sleep(wait)
            except (DeltaError, OSError) as error:
                if delta is None and self._open() is not None:  # another writer created the table just now
                    continue
                raise PlatformError(
                    f"the new version could not be published: {_one_line(error)}",
                    file=self.uri,
                    remedy="Mend the storage named in the message and run again; readers still see the last version.",
                ) from error
        raise TransientError(f"{self.table.path}: other writers published {_PUBLISH_TRIES} times in between")

    def _keep_house(self, version: int) -> None:
        """What is done after a commit: whatever becomes of it, the version is published."""
        try:
            if (version + 1) % _CHECKPOINT_INTERVAL == 0:
                with self._lake.faults():
                    log = self._at(version)
                    log.create_checkpoint()
                    log.cleanup_metadata()
            if not self._lake.remote:  # elsewhere, to list all files takes its time
                self.vacuum()
        except (DeltaError, OSError, PlatformError, TransientError) as error:
            logger.warning(
                "%s: version %d is published, but keeping house after it failed; later versions try again (%s)",
                self.table.path,
                version,
                _one_line(error),
            )

    def history(self, limit: int | None = None) -> list[Version]:
        """The versions that the log still knows, the newest first; those that only removed files are left out."""
        return [self._version(entry) for entry in self._published()[:limit]]

    def restore(self, number: int) -> int:
        """Make the content of an earlier version the table's again, as a version of its own; returns its number.

        Raises PlatformError when there is no such version, when its files are gone, or when it has other columns than
        declared; TransientError when another writer publishes at the same time.
        """
        known = {entry["version"]: entry for entry in self._published()}
        if number not in known:
            raise PlatformError(
                f"there is no version {number}",
                file=self.uri,
                remedy=f"Versions: {', '.join(str(n) for n in sorted(known)) or 'none yet'}.",
            )
        info = {**json.loads(known[number]["info"]), "restored": number}
        said = {"info": json.dumps(info)} | {key: known[number][key] for key in (_SIDECARS,) if key in known[number]}
        commit = CommitProperties(custom_metadata=said, max_commit_retries=0)
        try:
            with self._lake.faults():
                self._refuse_drift(self._at(number))
                delta = self._at(None)
                delta.restore(number, commit_properties=commit, post_commithook_properties=_NOTHING_AFTER)
        except CommitFailedError as conflict:
            raise TransientError(f"{self.table.path}: another run has published at the same time") from conflict
        except DeltaError as error:
            raise PlatformError(
                f"version {number} cannot be restored: {_one_line(error)}",
                file=self.uri,
                remedy="Files that no version of the last days needs are removed: choose a later version.",
            ) from error
        self._keep_house(delta.version())
        return delta.version()

    def _said(self, delta: DeltaTable | None) -> dict[str, Any]:
        if delta is None:
            return {}
        # Versions that only tidied up say nothing: the last that published counts.
        last = self._asked(
            lambda: next((entry for limit in (1, None) for entry in delta.history(limit) if "info" in entry), {})
        )
        return json.loads(last.get("info", "{}"))

    def _refuse_lost(self, absent: set[str]) -> None:
        """Raise when files that are not on this machine are not in the lake either, as after half a writer's work."""
        if not absent:
            return
        for path in absent - {file.path for file in self.scan().files}:
            if not self._lake.has(f"{self.table.path}/{path}"):
                raise PlatformError(
                    f"the file {path} was to be published and is nowhere",
                    file=self.uri,
                    remedy="Let all that write for a run share its folders, and run again; nothing was published.",
                )

    def vacuum(self, *, hours: int = _RETENTION_HOURS, dry_run: bool = False) -> list[str]:
        """Remove files that no version of the last `hours` needs, whether replaced or left by killed runs.

        Returns their paths below the table; a dry run only returns them. A writer that is at work needs its files:
        leave it the hours that it may take.
        """
        delta = self._open()
        if delta is None:
            return []
        try:
            with self._lake.faults():
                # The log names those that were removed before, too.
                named = sorted(set(delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)))
                found = [path for path in named if self._lake.has(f"{self.table.path}/{path}")]
                if found and not dry_run:
                    delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
        except DeltaError as error:
            raise PlatformError(
                f"old files could not be removed: {_one_line(error)}",
                file=self.uri,
                remedy="Mend the storage named in the message and run again; readers still see the last version.",
            ) from error
        sidecars = self._sidecars_before(time.time() - hours * 3600)
        if not dry_run:
            self._lake.remove(f"{self.table.path}/{path}" for path in sidecars)
        return sorted([*found, *sidecars])

    def _sidecars_before(self, moment: float) -> list[str]:
        """Sidecars, written before a moment, that no version since then speaks of."""
        start = len(f"{self.table.path}/")
        ages = self._lake.ages(f"{self.table.path}/{SIDECARS}")
        old = {path[start:] for path, written in ages.items() if written < moment}
        if not old:  # as for most tables, whose log then need not be read
            return []
        needed: set[str] = set()
        for entry in self._published():
            if _SIDECARS not in entry:  # a version that did not say
                return []
            needed.update(json.loads(entry[_SIDECARS]))
            if entry["timestamp"] / 1000 < moment:  # the version that was the last one at that moment
                break
        return sorted(old - needed)

    def _published(self) -> list[dict[str, Any]]:
        """The log's entries that made the table's content what it was, the newest first."""
        delta = self._open()
        if delta is None:
            return []
        return [entry for entry in self._asked(delta.history) if "info" in entry]

    def _version(self, entry: Mapping[str, Any]) -> Version:
        files = self._asked(lambda: _data_files(self._at(entry["version"]), self.table))
        return Version(
            entry["version"],
            datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
            sum(f.rows for f in files),
            sum(f.size for f in files),
            json.loads(entry["info"]),
        )

    def _open(self) -> DeltaTable | None:
        try:
            return self._asked(lambda: self._lake.open_log(self.table.path))
        except TableNotFoundError:
            return None

    def _at(self, version: int | None) -> DeltaTable:
        return DeltaTable(self.uri, version=version, storage_options=self._lake.delta_options())

    def _version_marked(self, delta: DeltaTable, mark: str) -> int | None:
        """The version that a try of ours published after all, though its answer got lost on the way."""
        last = self._asked(lambda: delta.history(_PUBLISH_TRIES))
        return next((entry["version"] for entry in last if entry.get(_MARK) == mark), None)

    def _asked(self, question: Callable[[], T]) -> T:
        """What the log says. The library asks again when it gets no answer, but not when an answer breaks off."""
        waits = iter(_WAITS)
        while True:
            try:
                with self._lake.faults():
                    return question()
            except TransientError:
                if (wait := next(waits, None)) is None:
                    raise
                time.sleep(wait)
            except TableNotFoundError:
                raise
            except DeltaError as error:
                raise PlatformError(
                    f"the table's log cannot be read: {_one_line(error)}",
                    file=self.uri,
                    remedy="Put back what was changed in the folder _delta_log, or move the table's folder away and "
                    "materialise the table again.",
                ) from error

    def _create(self, files: Sequence[DataFile], commit: CommitProperties) -> None:
        Path(self.local_root).mkdir(parents=True, exist_ok=True)
        create_table_with_add_actions(
            self.uri,
            Schema.from_arrow(self.table.arrow_schema),
            [_add(f, self.table) for f in files],
            mode="error",
            partition_by=[self.table.partition_by] if self.table.partition_by else [],
            name=self.table.path,
            description=self.table.description,
            configuration={"delta.checkpointInterval": str(_CHECKPOINT_INTERVAL)},
            commit_properties=commit,
            post_commithook_properties=_NOTHING_AFTER,
            storage_options=self._lake.delta_options(),
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
            post_commithook_properties=_NOTHING_AFTER,
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
    """The library's words without its colours, arrows, line breaks and the places in its code."""
    words = re.split(r"\n\s+0: ", str(error))[0]
    return " ".join(re.sub(r"\x1b\[\d*m|↳", " ", words).split()).rstrip(".")


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
    # By their first day as a text: it may be a day, a moment or unknown.
    return sorted((_data_file(a, table) for a in actions), key=lambda f: (f.year or 0, str(f.first_day or ""), f.path))


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
