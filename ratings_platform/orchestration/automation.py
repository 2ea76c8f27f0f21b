"""Jobs, schedule and sensor of a study.

Belongs here: what runs together, and what starts it. Does not belong here: what the assets do.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from ratings_platform.orchestration.ingestion import delivery
from ratings_platform.orchestration.partitions import range_tags
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.study import Study


def name(study: Study, suffix: str = "") -> str:
    return study.name.replace("-", "_") + suffix


def of_study(study: Study) -> dg.AssetSelection:
    """Everything tagged with the study."""
    return dg.AssetSelection.tag("study", study.name)


def jobs(study: Study) -> list[Any]:
    """The whole study, the year-partitioned tables alone, and the checks alone."""
    partitioned = [t for t in study.tables.values() if t.partition_by]
    keys = [dg.AssetKey([t.layer, t.name]) for t in partitioned]
    keys += [dg.AssetKey(["warehouse", t.name]) for t in partitioned if t.name in study.warehouse]
    checked = [[t.layer, t.name] for t in study.tables.values()]
    checked += [["warehouse", table] for table in (*study.warehouse, *(q.table.name for q in study.questions))]
    return [
        dg.define_asset_job(
            name(study),
            of_study(study),
            description=f"{study.title}: everything, from vendor files to answers, for a range of years.",
        ),
        dg.define_asset_job(
            name(study, "_by_year"),
            dg.AssetSelection.assets(*keys),
            description=f"{study.title}: the tables that are cut by year, for the years chosen.",
        ),
        dg.define_asset_job(
            name(study, "_checks"),
            dg.AssetSelection.checks_for_assets(*[dg.AssetKey(key) for key in checked]),
            description=f"{study.title}: all asset checks alone, on what is materialised.",
        ),
    ]


def schedule(study: Study) -> dg.ScheduleDefinition:
    """Once a week, off until someone switches it on; unchanged files are not parsed again."""

    @dg.schedule(
        name=name(study, "_weekly"),
        job_name=name(study),
        cron_schedule="0 3 * * 1",
        execution_timezone="UTC",
        description="Materialises the whole study on Monday mornings.",
    )
    def weekly(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(tags=range_tags(study.years))

    return weekly


def follow_sensor(study: Study) -> dg.AutomationConditionSensorDefinition:
    """Carries out the assets' automation conditions: sums, answers and the warehouse follow what they read."""
    return dg.AutomationConditionSensorDefinition(
        name(study, "_follow"),
        target=of_study(study),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Materialises sums, answers and warehouse tables whose inputs are newer than they are.",
    )


def new_files_sensor(study: Study, settings: Any) -> dg.SensorDefinition:
    """Starts the study when the source directory's vendor files are other ones than at the last look."""

    @dg.sensor(
        name=name(study, "_new_files"),
        job_name=name(study),
        minimum_interval_seconds=60,
        description="Materialises the whole study when vendor files in the source directory are new or changed.",
    )
    def new_files(context: dg.SensorEvaluationContext, platform: Platform) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if platform.source in ("sample", "kaggle"):
            yield dg.SkipReason(f"The source is {platform.source}: there is no directory to watch.")
            return
        try:
            found = [f for vendor in study.vendors for f in delivery(vendor, settings, Path(platform.source))]
        except PlatformError as error:
            yield dg.SkipReason(str(error))
            return
        states = sorted((f.container, f.bytes, f.modified_ns) for f in found)
        fingerprint = hashlib.sha256(repr(states).encode()).hexdigest()
        if fingerprint == context.cursor:
            yield dg.SkipReason(f"The {len(found)} vendor files are those seen before.")
            return
        context.update_cursor(fingerprint)
        # No run key: files that are put back as they were are a change too, and its key would have been used before.
        yield dg.RunRequest(tags=range_tags(study.years))

    return new_files
