"""The raw layer: what was delivered, named beyond doubt.

Belongs here: the manifest of each vendor's delivery, and copies of its files where the lake does not lie on the
machine that they came to. Does not belong here: fetching, and what the files hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ratings_platform.lake.storage import DiskStorage, Progress, Storage
from ratings_platform.schema.errors import PlatformError


class RawStore:
    """Manifests under `raw/<vendor>.json`; on S3 also the files, under `raw/<vendor>/<start of the sha256>/<name>`.

    A lake on disk uses files where they lie. Those below `home` are noted by their paths there: people move it.
    """

    def __init__(self, lake: Storage | str, home: Path):
        self._lake = DiskStorage(lake) if isinstance(lake, str) else lake
        # As the paths of found files are.
        self._home = home.resolve()

    def manifest_uri(self, vendor: str) -> str:
        return f"{self._lake.root}/{_manifest(vendor)}"

    def load(self, vendor: str) -> list[dict[str, Any]]:
        """The last delivery's files, as saved; empty when there was none."""
        found = self._lake.read(_manifest(vendor))
        files = json.loads(found) if found is not None else []
        return [file | {"container": str(self._home / file["container"])} for file in files]

    def save(self, vendor: str, files: Sequence[Mapping[str, Any]]) -> None:
        """Replace the manifest in one step, so that a killed run leaves the old or the new one."""
        noted = [{**file, "container": self._noted(Path(file["container"]))} for file in files]
        text = json.dumps(noted, indent=1, sort_keys=True) + "\n"
        self._lake.replace(_manifest(vendor), text.encode())

    def _noted(self, path: Path) -> str:
        return str(path.relative_to(self._home) if path.is_relative_to(self._home) else path)

    def keep(self, vendor: str, file: Path, sha256: str, check: Callable[[], None], progress: Progress) -> None:
        """Keep a copy, unless the lake has it or needs none; what a killed run has sent of it is not sent again.

        `check` raises when the file is no longer what was registered.
        """
        self._lake.keep(file, _copy(vendor, file.name, sha256), sha256, check, progress)

    def copy(self, vendor: str, name: str, sha256: str) -> Path | None:
        """The copy of a file, on this machine, with the bytes that were registered; None where none is kept."""
        path = _copy(vendor, name, sha256)
        if not self._lake.remote or not self._lake.has(path):
            return None
        self._lake.fetch([path])
        file = Path(self._lake.folder(path))
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            file.unlink()
            raise PlatformError(
                f"the copy has the checksum {found}, {sha256} was registered",
                file=f"{self._lake.root}/{path}",
                remedy="Materialise the raw asset again where the vendor's files are.",
            )
        return file

    def drop_unfinished(self) -> None:
        """Drop what killed runs have left half-sent days ago."""
        self._lake.drop_unfinished()


def _manifest(vendor: str) -> str:
    return f"raw/{vendor}.json"


def _copy(vendor: str, name: str, sha256: str) -> str:
    return f"raw/{vendor}/{sha256[:16]}/{name}"
