"""The studies, found by their folders: each has a module `study` with a `STUDY`.

Belongs here: finding them. Does not belong here: anything of one study but its name.
"""

from __future__ import annotations

import importlib
import pkgutil

from ratings_platform.schema.errors import SettingsError
from ratings_platform.schema.study import Study

# The one that commands mean when no study is named.
DEFAULT = "market-study"


def names() -> list[str]:
    """Names as people type them, without importing any study."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if module.ispkg)


def load(name: str) -> Study:
    """One study by name. Raises SettingsError naming those that exist."""
    if name not in names():
        raise SettingsError(f"there is no study {name!r}", remedy=f"Studies: {', '.join(names())}.")
    study: Study = importlib.import_module(f"{__name__}.{name.replace('-', '_')}.study").STUDY
    return study
