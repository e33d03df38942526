"""Where the holidays of a CronWorkflow stand: in its own `calendar`, in a config map, or in both. Pure."""

from collections.abc import Mapping
from typing import Any

from bireme.lang import holidays as days
from bireme.lang.holidays import Holidays
from controller.ports import BadOption, TemplateSource


def holidays(cron: Mapping[str, Any], applied: TemplateSource) -> Holidays | None:
    """The days of rest, None without a calendar. Raises BadOption or LangError for one that cannot be read."""
    calendar = cron["spec"].get("calendar")
    if not calendar:
        return None
    lines = list(calendar.get("holidays") or ())
    source = calendar.get("configMapKeyRef")
    if source:
        namespace = cron["metadata"].get("namespace") or "default"
        lines += _from_config_map(source, namespace, applied)
    return days.parse(lines)


def _from_config_map(
    source: Mapping[str, Any], namespace: str, applied: TemplateSource
) -> list[str]:
    found = applied.template("ConfigMap", namespace, source["name"])
    text = ((found or {}).get("data") or {}).get(source["key"])
    if text is None and not source.get("optional"):
        what = f"key '{source['key']}' of " if found is not None else ""
        raise BadOption(f"{what}config map '{source['name']}' not found; apply it, then this again")
    return str(text or "").splitlines()
