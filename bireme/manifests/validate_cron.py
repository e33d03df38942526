"""Schedules, time zone and limits of a CronWorkflow."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bireme.kit.errors import UserError
from bireme.manifests.base import Metadata
from bireme.manifests.validate_names import Invalid
from bireme.manifests.workflow import Calendar, CronWorkflow, CronWorkflowSpec

_HANDED_ON = ("workflows.argoproj.io/controller-instanceid",)
_POLICIES = ("", "Allow", "Forbid", "Replace")


def check_cron(spec: CronWorkflowSpec) -> None:
    """Raises Invalid with Argo's text for the first thing wrong."""
    from bireme.lang import cron  # with its library, which only schedules need

    if not spec.schedules:
        raise Invalid("cron workflow must have at least one schedule")
    for schedule in spec.schedules:
        try:
            cron.validate(schedule)
        except UserError as error:
            raise Invalid(f"cron schedule {schedule} is malformed: {error}") from error
    if spec.timezone and not is_timezone(spec.timezone):
        raise Invalid(f'invalid timezone "{spec.timezone}": unknown time zone {spec.timezone}')
    if spec.concurrency_policy not in _POLICIES:
        raise Invalid(f"'{spec.concurrency_policy}' is not a valid concurrencyPolicy")
    if spec.starting_deadline_seconds is not None and spec.starting_deadline_seconds < 0:
        raise Invalid("startingDeadlineSeconds must be positive")
    if spec.calendar is not None:
        _check_calendar(spec.calendar)


def metadata_of_runs(manifest: CronWorkflow) -> Metadata:
    """What its workflows carry: the labels and annotations meant for them, and what says where they come from."""
    meant, own = manifest.spec.workflow_metadata, manifest.metadata
    kept = {key: own.labels[key] for key in _HANDED_ON if key in own.labels}
    return Metadata(
        namespace=own.namespace,
        labels={**kept, "workflows.argoproj.io/cron-workflow": own.name, **meant.labels},
        annotations={"workflows.argoproj.io/scheduled-time": "", **meant.annotations},
    )


def _check_calendar(calendar: Calendar) -> None:
    from bireme.lang import holidays

    try:
        holidays.parse(calendar.holidays)
    except UserError as error:
        raise Invalid(f"calendar.holidays: {error}") from error
    source = calendar.config_map_key_ref
    if source is not None and not (source.name and source.key):
        raise Invalid("calendar.configMapKeyRef needs name and key")


def is_timezone(name: str) -> bool:
    """Whether the time zone database has it; `Local` and `UTC` always."""
    try:
        ZoneInfo("UTC" if name == "Local" else name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
