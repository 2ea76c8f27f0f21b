"""The raw layer: what was delivered, named beyond doubt.

Belongs here: the manifest of each vendor's delivery, and the folder for bytes that the platform fetched itself. Does
not belong here: fetching, and copies of files that a user already holds (they are used where they lie).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class RawStore:
    """Manifests under `raw/<vendor>.json`, fetched files under `raw/<vendor>/`."""

    def __init__(self, root: str):
        self._root = Path(root, "raw")

    def manifest_path(self, vendor: str) -> Path:
        return self._root / f"{vendor}.json"

    def folder(self, vendor: str) -> Path:
        return self._root / vendor

    def load(self, vendor: str) -> list[dict[str, Any]]:
        """The last delivery's files, as saved; empty when there was none."""
        path = self.manifest_path(vendor)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []

    def save(self, vendor: str, files: Sequence[Mapping[str, Any]]) -> Path:
        """Replace the manifest in one step, so that a killed run leaves the old or the new one."""
        path = self.manifest_path(vendor)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".json.part")
        fresh.write_text(json.dumps(list(files), indent=1, sort_keys=True) + "\n", encoding="utf-8")
        fresh.replace(path)
        return path
