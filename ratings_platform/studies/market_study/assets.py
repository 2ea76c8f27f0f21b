"""The market study in Dagster.

Belongs here: wiring only. Does not belong here: what the assets compute, and how assets are made of declarations.
"""

from __future__ import annotations

import dagster as dg

from ratings_platform.orchestration.build import study_definitions
from ratings_platform.settings import Settings
from ratings_platform.studies.market_study.study import STUDY


def definitions(settings: Settings) -> dg.Definitions:
    return study_definitions(STUDY, settings)
