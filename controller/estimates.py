"""How long a workflow will take: as long as the newest one like it that succeeded.

Alike are workflows of one WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow.
"""

from collections.abc import Mapping

from controller.submission import CRON, PREFIX

_ORIGINS = (PREFIX + "workflow-template", PREFIX + "cluster-workflow-template", CRON)


class Estimates:
    """Seconds by origin. What was before the start of this process is read from finished runs."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, str], float] = {}

    def learn(self, namespace: str, labels: Mapping[str, str], seconds: float | None) -> None:
        """A workflow has succeeded after so long."""
        if seconds is not None:
            for origin in _ORIGINS:
                if origin in labels:
                    self._seconds[namespace, origin, labels[origin]] = seconds

    def of(self, namespace: str, labels: Mapping[str, str]) -> int | None:
        """Whole seconds, at least one; None for a workflow that is like no other."""
        for origin in _ORIGINS:
            known = self._seconds.get((namespace, origin, labels.get(origin, "")))
            if known is not None:
                return max(round(known), 1)
        return None
