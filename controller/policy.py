"""Whether a CronWorkflow that is due makes a workflow: its own `when`, its concurrency, its stop rule. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bireme.kit.errors import UserError
from bireme.lang import environment, expr, tags, when
from bireme.lang.expr.times import Time
from controller.schedule import CronState

Act = Literal["run", "replace", "skip", "fail"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with one firing, and why. `fail` is an expression that cannot be evaluated: never a silent no."""

    act: Act
    reason: str = ""


def verdict(cron: Mapping[str, Any], state: CronState, active: int, now: datetime) -> Verdict:
    """Argo's order: suspended, stopped, `when`, concurrency."""
    spec = cron["spec"]
    if state.suspend:
        return Verdict("skip", "suspended")
    if state.stopped:
        return Verdict("skip", "stopped by its stopStrategy")
    if spec.get("when"):
        try:
            if not eval_when(cron, state, now):
                return Verdict("skip", f"when is false: {spec['when']}")
        except UserError as error:
            return Verdict("fail", f"run policy error: {error}")
    policy = spec.get("concurrencyPolicy") or "Allow"
    if policy == "Forbid" and active:
        return Verdict("skip", f"Forbid: {active} still active")
    return Verdict("replace" if policy == "Replace" and active else "run")


def eval_when(cron: Mapping[str, Any], state: CronState, now: datetime) -> bool:
    """`spec.when`, its tags and expressions put in first. Raises LangError."""
    text = tags.replace(cron["spec"]["when"], variables(cron, state), strict="all", now=now)
    return when.eval_when(text)


def should_stop(cron: Mapping[str, Any], state: CronState) -> bool:
    """Whether `stopStrategy.expression` says that this was the last run. Raises LangError."""
    text = (cron["spec"].get("stopStrategy") or {}).get("expression")
    if not text:
        return False
    env = environment.expand_dotted(variables(cron, state))
    return expr.eval_bool(text, env, environment.functions())


def variables(cron: Mapping[str, Any], state: CronState) -> dict[str, Any]:
    """What `cronworkflow.*` means."""
    metadata = cron["metadata"]
    last = state.last_scheduled
    found: dict[str, Any] = {
        "cronworkflow.name": metadata["name"],
        "cronworkflow.namespace": metadata.get("namespace") or "default",
        "cronworkflow.lastScheduledTime": last and Time(datetime.fromtimestamp(last, UTC)),
        "cronworkflow.failed": state.failed,
        "cronworkflow.succeeded": state.succeeded,
    }
    for kind in ("labels", "annotations"):
        for key, value in (metadata.get(kind) or {}).items():
            found[f"cronworkflow.{kind}.{key}"] = value
    return found
