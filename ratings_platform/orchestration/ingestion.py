"""Deliveries to bronze: which vendor files there are, which of them are new, and storing those.

Belongs here: finding a vendor's delivery, and ingesting it unit by unit with proof that no line is lost. Does not
belong here: Dagster, file formats, and how bytes are fetched or unpacked.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from glob import has_magic
from itertools import chain
from pathlib import Path
from typing import Any

from ratings_platform.engines.base import Engine
from ratings_platform.lake.raw import RawStore
from ratings_platform.lake.tables import LakeTable
from ratings_platform.orchestration.code_versions import reader_version
from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.reading import SourceFile
from ratings_platform.schema.study import Ingest, VendorFiles
from ratings_platform.sources.files import FoundFile, RawFile, find_files, is_unchanged, one_of_each, open_plain

Log = Callable[[str], None]

_log = logging.getLogger(__name__)


def delivery(
    vendor: VendorFiles, settings: Any, source: Path, origin: str | None = None, ours: Collection[Path] = ()
) -> list[FoundFile]:
    """The vendor's files in a source, in the first layout that is complete, each once; see `find_files`.

    Raises SourceError naming what is missing when no layout is complete, and the archive that cannot be read if there
    is one, since it may hold that. Beside a complete layout such an archive is passed over.
    """
    layouts = vendor.layouts(settings)
    found = find_files(source, list(dict.fromkeys(chain(*layouts))), origin=origin, ours=ours)
    missing = [[p for p in layout if not any(_matches(f.name, [p]) for f in found.files)] for layout in layouts]
    for layout, lost in zip(layouts, missing, strict=True):
        if not lost:
            for error in found.unreadable:
                # Of files with a pattern instead of names, nobody can tell that all are there.
                if any(has_magic(pattern) for pattern in layout):
                    raise error
                _log.warning("an archive is passed over, all files being present without it: %s", error)
            return one_of_each([f for f in found.files if _matches(f.name, layout)])
    # The layout of which most is there is the one that was meant.
    meant, lost = max(zip(layouts, missing, strict=True), key=lambda pair: len(pair[0]) - len(pair[1]))
    problem = f"{', '.join(lost)} {'is' if len(lost) == 1 else 'are'} missing{found.note}"
    if found.unreadable:
        error = found.unreadable[0]
        raise SourceError(f"{error.problem}, and {problem}", file=error.file, remedy=error.remedy) from error
    there = one_of_each([f for f in found.files if _matches(f.name, meant)])
    setting = vendor.making_do([f.name for f in there])
    raise SourceError(
        problem,
        file=str(source),
        remedy="Put the named files there (plain, .gz or in a .zip), or name another directory as the source"
        f"{f', or make do with what is there: set {setting}' if setting else ''}.",
    )


@dataclass(frozen=True)
class Unit:
    """Files that are read in one go, as the bronze table's version remembers them.

    `lines` = `structure` (headers, blank lines) + `kept` + `rejected`; `rejects` is the file that holds the latter.
    """

    id: str
    name: str
    lines: int
    structure: int
    kept: int
    rejected: int
    rejects: str | None


@dataclass(frozen=True)
class Publication:
    """Files ready to be published, what the version is to say of itself, and the `sidecars` that it speaks of."""

    files: tuple[DataFile, ...]
    info: Mapping[str, Any]
    sidecars: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ingestion:
    """What reads and stores the units of one bronze table, and where; `known` are the tables that rows may refer to."""

    spec: Ingest
    known: Mapping[str, Scan]
    target: LakeTable
    raw: RawStore
    engine: Engine
    scratch: Path
    log: Log

    def ingest(self, delivered: Sequence[RawFile]) -> Publication:
        """Store the units of a delivery that the bronze table does not have yet, and keep those that it has.

        A unit is known by its files' checksums, its reader, and the tables that its rows may refer to: so unchanged
        input is not parsed again, and a changed reader parses everything anew.
        """
        wanted = files_of(self.spec, delivered)
        live = self.target.scan()
        before = {unit.id: unit for unit in units(self.target)}
        files: list[DataFile] = []
        done: list[Unit] = []
        for new in _units(self.spec, wanted, self.known):
            unit = before.get(new.id)
            kept = [f for f in live.files if f.path.startswith(new.id)]
            if unit and unit.kept == sum(f.rows for f in kept):
                self.log(f"{new.name}: unchanged, {unit.kept:,} rows kept as they are")
            else:
                unit, kept = self._store(new)
            done.append(unit)
            files += kept
        rejects = tuple(unit.rejects for unit in done if unit.rejects)
        return Publication(tuple(files), {"units": [asdict(unit) for unit in done]}, rejects)

    def _store(self, new: _NewUnit) -> tuple[Unit, list[DataFile]]:
        start = time.perf_counter()
        members = [_at_hand(file, self.spec.vendor, self.raw) for file in new.files]
        with open_plain(members, self.scratch) as plain:
            files = [SourceFile(raw.name, path) for raw, path in plain]
            folder = self.target.new_folder(new.id)
            stored = self.engine.store(self.spec, files, self.known, self.target.local_root, folder)
        seconds = time.perf_counter() - start
        self.log(f"{new.name}: {stored.kept:,} rows kept, {stored.rejected:,} rejected, in {seconds:.1f} s")
        rejects = stored.rejects.path if stored.rejects else None
        unit = Unit(new.id, new.name, stored.lines, stored.structure, stored.kept, stored.rejected, rejects)
        return unit, list(stored.files)


def files_of(spec: Ingest, delivered: Sequence[RawFile]) -> list[RawFile]:
    """The files of a delivery that go into a bronze table. Raises SourceError when there are none."""
    wanted = [f for f in delivered if _matches(f.name, spec.patterns) and not _matches(f.name, spec.excluding)]
    if not wanted:
        raise SourceError(
            f"no delivered file is named like {' or '.join(spec.patterns)}",
            file=spec.vendor,
            remedy="See the settings that name the vendor's files.",
        )
    return wanted


def units(table: LakeTable) -> list[Unit]:
    """The units of a bronze table's last version."""
    return [Unit(**unit) for unit in table.info().get("units", ())]


def unit_of(file: DataFile) -> str:
    """The id of the unit that a file of a bronze table was made of: its folder is named after it."""
    return file.path.partition("/")[0].rpartition("-")[0]


@dataclass(frozen=True)
class _NewUnit:
    """Files of a delivery that are to be read in one go; `id` tells whether that was done before."""

    id: str
    name: str
    files: Sequence[RawFile]


def _units(spec: Ingest, files: Sequence[RawFile], known: Mapping[str, Scan]) -> Iterator[_NewUnit]:
    """One for each file, and one for those that are read together."""
    together: list[RawFile] = []
    for file in files:
        if _matches(file.name, spec.together):
            together.append(file)
        else:
            yield _NewUnit(_identity(spec, file.name, [file], known), file.name, [file])
    if together:
        name = f"{together[0].name} … {together[-1].name}"
        yield _NewUnit(_identity(spec, name, together, known), name, together)


def _identity(spec: Ingest, name: str, members: Sequence[RawFile], known: Mapping[str, Scan]) -> str:
    parts = [name, reader_version(spec.reader), repr(spec.table), *(f"{f.sha256}/{f.member}" for f in members)]
    parts += [path for scan in known.values() for path in sorted(f.path for f in scan.files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _at_hand(file: RawFile, vendor: str, raw: RawStore) -> RawFile:
    """A file as it was registered, or, where it is not here so, the copy that the raw layer keeps."""
    if is_unchanged(file):
        return file
    copy = raw.copy(vendor, Path(file.container).name, file.sha256)
    return replace(file, container=str(copy), modified_ns=copy.stat().st_mtime_ns) if copy else file


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name.casefold(), pattern.casefold()) for pattern in patterns)
