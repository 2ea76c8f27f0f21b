"""Deliveries to bronze: which vendor files there are, which of them are new, and storing those.

Belongs here: finding a vendor's delivery, and ingesting it unit by unit with proof that no line is lost. Does not
belong here: Dagster, file formats, and how bytes are fetched or unpacked.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from functools import cache
from glob import has_magic
from itertools import chain
from pathlib import Path
from typing import Any

from ratings_platform.engines.base import Engine
from ratings_platform.lake.raw import RawStore
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.reading import SourceFile
from ratings_platform.schema.study import Ingest, VendorFiles
from ratings_platform.sources.files import FoundFile, RawFile, find_files, open_plain

Log = Callable[[str], None]

_log = logging.getLogger(__name__)


def delivery(vendor: VendorFiles, settings: Any, directory: Path, origin: str | None = None) -> list[FoundFile]:
    """The vendor's files in a directory, in the first layout that is complete.

    Raises SourceError naming what is missing when no layout is complete, and the archive that cannot be read if there
    is one, since it may hold that. Beside a complete layout such an archive is passed over.
    """
    layouts = vendor.layouts(settings)
    found, unreadable = find_files(directory, list(dict.fromkeys(chain(*layouts))), origin=origin)
    missing = [[p for p in layout if not any(_matches(f.name, [p]) for f in found)] for layout in layouts]
    for layout, lost in zip(layouts, missing, strict=True):
        if not lost:
            for error in unreadable:
                # Of files with a pattern instead of names, nobody can tell that all are there.
                if any(has_magic(pattern) for pattern in layout):
                    raise error
                _log.warning("an archive is passed over, all files being present without it: %s", error)
            return [f for f in found if _matches(f.name, layout)]
    # The layout of which most is there is the one that was meant.
    _, lost = max(zip(layouts, missing, strict=True), key=lambda pair: len(pair[0]) - len(pair[1]))
    problem = f"{', '.join(lost)} {'is' if len(lost) == 1 else 'are'} missing"
    if unreadable:
        error = unreadable[0]
        raise SourceError(f"{error.problem}, and {problem}", file=error.file, remedy=error.remedy) from error
    raise SourceError(
        problem,
        file=str(directory),
        remedy="Put the named files there (plain, .gz or in a .zip), or name another directory as the source.",
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
    """Files ready to be published, what the version is to say of itself, and the files `beside` that it speaks of."""

    files: tuple[DataFile, ...]
    info: Mapping[str, Any]
    beside: tuple[str, ...] = ()


def ingest(
    spec: Ingest,
    delivered: Sequence[RawFile],
    known: Mapping[str, Scan],
    target: LakeTable,
    raw: RawStore,
    engine: Engine,
    scratch: Path,
    log: Log,
) -> Publication:
    """Store the units of a delivery that the bronze table does not have yet, and keep those that it has.

    A unit is known by its files' checksums, its reader, and the tables that its rows may refer to: so unchanged input
    is not parsed again, and a changed reader parses everything anew.
    """
    wanted = [file for file in delivered if _matches(file.name, spec.patterns)]
    if not wanted:
        raise SourceError(
            f"no delivered file is named like {' or '.join(spec.patterns)}",
            file=spec.vendor,
            remedy="See the settings that name the vendor's files.",
        )
    live = target.scan()
    before = {unit.id: unit for unit in units(target)}
    files: list[DataFile] = []
    done: list[Unit] = []
    for name, members in _units(spec, wanted):
        identity = _identity(spec, name, members, known)
        unit = before.get(identity)
        kept = [f for f in live.files if f.path.startswith(identity)]
        if unit and unit.kept == sum(f.rows for f in kept):
            log(f"{name}: unchanged, {unit.kept:,} rows kept as they are")
        else:
            members = [_at_hand(file, spec.vendor, raw) for file in members]
            unit, kept = _store_unit(spec, name, identity, members, known, target, engine, scratch, log)
        done.append(unit)
        files += kept
    rejects = tuple(unit.rejects for unit in done if unit.rejects)
    return Publication(tuple(files), {"units": [asdict(unit) for unit in done]}, rejects)


def units(table: LakeTable) -> list[Unit]:
    """The units of a bronze table's last version."""
    return [Unit(**unit) for unit in table.info().get("units", ())]


@cache
def reader_version(spec_reader: Callable[..., Any]) -> str:
    """Changes when the reader's module changes, or one of its package that it takes names from."""
    module = inspect.getmodule(spec_reader)
    package = module.__name__.rpartition(".")[0] if module else ""
    taken = {getattr(value, "__module__", None) for value in vars(module).values()}
    names = sorted(name for name in taken if name and package and name.startswith(f"{package}."))
    sources = [inspect.getsource(sys.modules[name]) for name in names]
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()[:12]


def _units(spec: Ingest, files: Sequence[RawFile]) -> list[tuple[str, list[RawFile]]]:
    together = [f for f in files if _matches(f.name, spec.together)]
    single = [(f.name, [f]) for f in files if f not in set(together)]
    return single + ([(f"{together[0].name} … {together[-1].name}", together)] if together else [])


def _identity(spec: Ingest, name: str, members: Sequence[RawFile], known: Mapping[str, Scan]) -> str:
    parts = [name, reader_version(spec.reader), repr(spec.table), *(f"{f.sha256}/{f.member}" for f in members)]
    parts += [path for scan in known.values() for path in sorted(f.path for f in scan.files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _at_hand(file: RawFile, vendor: str, raw: RawStore) -> RawFile:
    """A registered file, or, where it is gone from this machine, the copy that the raw layer keeps."""
    original = Path(file.container)
    copy = None if original.exists() else raw.copy(vendor, original.name, file.sha256)
    return replace(file, container=str(copy), modified_ns=copy.stat().st_mtime_ns) if copy else file


def _store_unit(
    spec: Ingest,
    name: str,
    identity: str,
    members: Sequence[RawFile],
    known: Mapping[str, Scan],
    target: LakeTable,
    engine: Engine,
    scratch: Path,
    log: Log,
) -> tuple[Unit, list[DataFile]]:
    start = time.perf_counter()
    with open_plain(members, scratch) as plain:
        files = [SourceFile(raw.name, path) for raw, path in plain]
        stored = engine.store(spec, files, known, target.local_root, target.new_folder(identity))
    seconds = time.perf_counter() - start
    log(f"{name}: {stored.kept:,} rows kept, {stored.rejected:,} rejected, in {seconds:.1f} s")
    unit = Unit(
        identity,
        name,
        stored.lines,
        stored.structure,
        stored.kept,
        stored.rejected,
        stored.rejects.path if stored.rejects else None,
    )
    return unit, list(stored.files)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name.casefold(), pattern.casefold()) for pattern in patterns)
