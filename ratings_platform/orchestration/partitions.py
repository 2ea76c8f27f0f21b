"""Years as partitions.

Belongs here: the one partitions definition of a study, and which years a step is about. Does not belong here: which
years a study has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import dagster as dg

PARTITION = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@cache
def yearly(first: int, last: int) -> dg.TimeWindowPartitionsDefinition:
    """One partition a year, both ends included, named by its four digits."""
    return dg.TimeWindowPartitionsDefinition(start=str(first), end=str(last + 1), cron_schedule="0 0 1 1 *", fmt="%Y")


def range_tags(years: Sequence[int]) -> dict[str, str]:
    """Run tags that ask for a range of years in a single run."""
    return {RANGE_START: str(min(years)), RANGE_END: str(max(years))}


def years_of_run(run: dg.DagsterRun) -> tuple[int, ...] | None:
    """The years that a run is about; None when it is about no years in particular."""
    if PARTITION in run.tags:
        return (int(run.tags[PARTITION]),)
    if RANGE_START in run.tags:
        return tuple(range(int(run.tags[RANGE_START]), int(run.tags[RANGE_END]) + 1))
    return None
