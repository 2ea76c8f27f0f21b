"""The Dagster code location: gathers the studies.

Belongs here: nothing but gathering. Does not belong here: any asset.
"""

from __future__ import annotations

import gc
import importlib
import warnings

import dagster as dg

from ratings_platform import studies
from ratings_platform.orchestration.build import shared_definitions
from ratings_platform.settings import load_settings, refuse_unknown_names

# Back-fills of many years in a single run rest on it; Dagster has called it beta for years.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")


@dg.definitions
def defs() -> dg.Definitions:
    """All studies under one code location."""
    # What was imported stays to the end: looking through it for garbage, often, takes a tenth of the time of loading.
    gc.set_threshold(100_000, 50, 50)
    settings = load_settings()
    found = [studies.load(name) for name in studies.names()]
    refuse_unknown_names(*(study.settings for study in found))
    wired = [importlib.import_module(f"{studies.__name__}.{s.name.replace('-', '_')}.assets") for s in found]
    return dg.Definitions.merge(shared_definitions(found, settings), *(w.definitions(settings) for w in wired))
