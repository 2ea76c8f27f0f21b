"""The platform's settings: read from the environment and `.env`, checked once, in one place.

Belongs here: what other rooms use of the settings. Does not belong here: anything that acts on a setting. No other room
reads the environment.
"""

from ratings_platform.settings.declared import Settings, StudySettings
from ratings_platform.settings.dotenv_file import PREFIX, dotenv_above
from ratings_platform.settings.environment import (
    aws_region,
    kaggle_login,
    load_settings,
    load_study_settings,
    override,
    prepare_for_spark,
    refuse_unknown_names,
)

__all__ = [
    "PREFIX",
    "Settings",
    "StudySettings",
    "aws_region",
    "dotenv_above",
    "kaggle_login",
    "load_settings",
    "load_study_settings",
    "override",
    "prepare_for_spark",
    "refuse_unknown_names",
]
