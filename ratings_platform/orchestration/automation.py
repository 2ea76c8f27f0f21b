"""Jobs, schedule and sensor of a study.

Belongs here: what runs together, and what starts it. Does not belong here: what the assets do.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import dagster as dg

from ratings_platform.orchestration.fetching import delivered
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


class _Looks(NamedTuple):
    """What a sensor has seen of the vendor files: those that a run was started for, and those of its last look."""

    started: str = ""
    last: str = ""

    @classmethod
    def remembered(cls, cursor: str | None) -> Self:
        """Cursors of earlier releases name only the files that a run was started for."""
        started, _, last = (cursor or "").partition(" ")
        return cls(started, last or started)

    def __str__(self) -> str:
        return " ".join(self)


def new_files_sensor(study: Study, settings: Any) -> dg.SensorDefinition:
    """Starts the study when the source's vendor files are others than at the last start and no longer change."""

    @dg.sensor(
        name=name(study, "_new_files"),
        job_name=name(study),
        minimum_interval_seconds=60,
        description="Materialises the whole study when vendor files in the source directory are new or changed, and "
        "two looks in a row find them alike: files that are being copied change from one look to the next.",
    )
    def new_files(context: dg.SensorEvaluationContext, platform: Platform) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if platform.source in ("sample", "kaggle"):
            yield dg.SkipReason(f"The source is {platform.source}: there is no directory to watch.")
            return
        looks = _Looks.remembered(context.cursor)
        try:
            found = [f for vendor in study.vendors for f in delivered(vendor, settings, platform)]
        except PlatformError as error:
            context.update_cursor(str(looks._replace(last="nothing")))
            yield dg.SkipReason(str(error))
            return
        states = sorted((f.container, f.bytes, f.modified_ns) for f in found)
        fingerprint = hashlib.sha256(repr(states).encode()).hexdigest()
        is_still = fingerprint == looks.last
        context.update_cursor(str(_Looks(fingerprint if is_still else looks.started, fingerprint)))
        if fingerprint == looks.started:
            yield dg.SkipReason(f"The {len(found)} vendor files are those seen before.")
        elif not is_still:
            yield dg.SkipReason(
                f"The {len(found)} vendor files are not those seen before; a run starts once two looks find them alike."
            )
        else:
            # No run key: files put back as they were are a change too, and their key would have been used before.
            yield dg.RunRequest(tags=range_tags(study.years))

    return new_files
