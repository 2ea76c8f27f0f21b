"""A study's Dagster definitions, put together.

Belongs here: gathering what the factories make. Does not belong here: making it.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from ratings_platform.orchestration.assets import AssetFactory
from ratings_platform.orchestration.automation import follow_sensor, jobs, new_files_sensor, schedule
from ratings_platform.orchestration.checks import CheckFactory
from ratings_platform.orchestration.io_managers import LakeIOManager, WarehouseIOManager
from ratings_platform.orchestration.metadata import asset_key
from ratings_platform.orchestration.notifications import notifications
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.study import Study, refuse_shared_names
from ratings_platform.schema.tables import Table
from ratings_platform.settings import Settings, load_study_settings


def study_definitions(study: Study, settings: Settings) -> dg.Definitions:
    """Assets, checks, jobs, schedule and sensor of one study; resources and notifications are `shared_definitions`."""
    own = load_study_settings(study.settings)
    return dg.Definitions(
        assets=AssetFactory(
            study, own, settings.owner, settings.engine, settings.warehouse_url.partition(":")[0]
        ).all(),
        asset_checks=CheckFactory(study, own.model_dump(), settings.reject_threshold).all(),
        jobs=jobs(study),
        schedules=[schedule(study)],
        sensors=[follow_sensor(study), new_files_sensor(study, own)],
    )


def shared_definitions(studies: list[Study], settings: Settings) -> dg.Definitions:
    """The resources that all studies use, and what tells of their failures.

    Steps run one after the other in one process: each uses all cores by itself, and a process for each would pay the
    imports again. Raises PlatformError when two studies declare a table of the same name.
    """
    refuse_shared_names(studies)
    platform = Platform.of(settings)
    lake = {asset_key(table): table for study in studies for table in study.tables.values()}
    plots = [plot for study in studies for plot in study.plots]
    return dg.Definitions(
        resources={
            "platform": platform,
            "lake": LakeIOManager(platform, lake, plots),
            "warehouse": WarehouseIOManager(platform, warehouse_tables(studies)),
        },
        executor=dg.in_process_executor,
        sensors=notifications(settings),
    )


def warehouse_tables(studies: Sequence[Study]) -> dict[dg.AssetKey, tuple[Study, Table]]:
    """What the warehouse holds of each study, by asset."""
    return {dg.AssetKey(["warehouse", t.name]): (study, t) for study in studies for t in study.warehouse_tables}
