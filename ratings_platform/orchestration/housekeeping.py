"""Going back to an earlier version of a lake table, so that Dagster knows of it.

Belongs here: changes to the lake that are no materialisation, recorded where the UI and the automation look. Does not
belong here: how versions are kept (`lake`), and how they are shown (`cli`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg

from ratings_platform.lake.tables import LakeTable
from ratings_platform.orchestration.io_managers import ROW_COUNT
from ratings_platform.orchestration.metadata import asset_key
from ratings_platform.orchestration.running import recorded_in
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.study import Study


def restore(table: LakeTable, number: int, study: Study, home: Path) -> int:
    """Make an earlier version of a table the last one; what follows from it is out of date then, and Dagster knows.

    Returns the new version's number. Raises like `LakeTable.restore`, and for a table that its own last version goes
    into: keys that it has given since would be given again, to others.
    """
    if any(model.table is table.table and table.table.name in model.inputs for model in study.models):
        raise PlatformError(
            "this table only grows: keys that it gave once stay given",
            file=table.uri,
            remedy="Restore the tables that follow from it instead.",
        )
    with recorded_in(home) as instance:
        version = table.restore(number)
        shown: dict[str, Any] = {
            "version": version,
            "restored version": number,
            "dagster/uri": table.uri,
            ROW_COUNT: table.scan().rows,
        }
        for partition in map(str, study.years) if table.table.partition_by else [None]:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(asset_key(table.table), metadata=shown, partition=partition)
            )
    return version
