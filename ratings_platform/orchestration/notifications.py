"""Telling people of failed runs and failed checks: in the log, and to a webhook if there is one.

Belongs here: what is said, once for each run. Does not belong here: deciding what a failure is.
"""

import json
import logging
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException

import dagster as dg

from ratings_platform.orchestration.failures import reason
from ratings_platform.settings import Settings

logger = logging.getLogger("ratings_platform.notifications")

_TIMEOUT_SECONDS = 10


def notifications(settings: Settings) -> list[dg.SensorDefinition]:
    """A sensor on failed runs, and one on successful runs in which a check that blocks nothing failed."""

    @dg.run_failure_sensor(
        name="tell_failed_runs",
        description="Tells the log and the webhook of each failed run, with the error's own words.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        monitor_all_code_locations=True,  # runs of the command line belong to none
    )
    def failed_runs(context: dg.RunFailureSensorContext) -> None:
        reasons = [f"{event.step_key}: {reason(event)}" for event in context.get_step_failure_events()]
        tell(settings, f"Run {context.dagster_run.run_id} of {context.dagster_run.job_name} failed", reasons)

    @dg.run_status_sensor(
        name="tell_failed_checks",
        run_status=dg.DagsterRunStatus.SUCCESS,
        description="Tells the log and the webhook of checks that failed in a run that went through.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        monitor_all_code_locations=True,
    )
    def failed_checks(context: dg.RunStatusSensorContext) -> None:
        failed = failed_checks_of(context.instance, context.dagster_run.run_id)
        if failed:
            tell(
                settings, f"Checks failed in run {context.dagster_run.run_id} of {context.dagster_run.job_name}", failed
            )

    return [failed_runs, failed_checks]


def failed_checks_of(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The failed checks of a run, as `asset: check (severity)`."""
    logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [log.dagster_event.asset_check_evaluation_data for log in logs if log.dagster_event]
    return [
        f"{one.asset_key.to_user_string()}: {one.check_name} ({one.severity.value})" for one in found if not one.passed
    ]


def tell(settings: Settings, headline: str, lines: Sequence[str]) -> None:
    """Log the message, and post `{"text": …}` to the webhook; a webhook out of reach is logged and harms nothing."""
    text = "\n".join((headline, *lines))
    logger.warning(text)
    if settings.webhook is None:
        return
    try:
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's own setting
            settings.webhook.get_secret_value(),
            data=json.dumps({"text": text}).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS).close()  # noqa: S310
    except (OSError, HTTPException, ValueError) as error:
        # Only the kind of error: its words may hold the address, which is a secret.
        logger.error("the webhook could not be told: %s", type(error).__name__)
