"""The made-up study in Dagster.

Belongs here: wiring only. Does not belong here: what the assets compute.
"""

import dagster as dg

from ratings_platform.orchestration.build import study_definitions
from ratings_platform.settings import Settings
from ratings_platform_tests.made_up.weather import STUDY


def definitions(settings: Settings) -> dg.Definitions:
    return study_definitions(STUDY, settings)
