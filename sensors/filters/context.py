"""The `context` filter: attributes of the event equal what is given, exactly.

    filters:
      context: {type: webhook, source: github}

`id`, `time` and `specversion` are accepted and not compared, as upstream.
"""

from typing import Any

from sensors.combine import reason
from sensors.model import Check, Verdict
from sensors.registry import filters
from sensors.view import View

_ATTRIBUTES = {
    "type": "type",
    "subject": "subject",
    "source": "source",
    "datacontenttype": "content_type",
}


@filters.register("context")
class ContextFilter:
    """Passes events whose context has the given type, subject, source or content type."""

    def __init__(self, config: Any, operator: str) -> None:
        self.wanted = tuple(
            (name, attribute, config[name])
            for name, attribute in _ATTRIBUTES.items()
            if config.get(name)
        )

    def verdict(self, view: View) -> Verdict:
        checks = tuple(
            Check(f"context.{name}", saw == wanted, name, saw, wanted)
            for name, attribute, wanted in self.wanted
            for saw in (getattr(view.event, attribute),)
        )
        refused = next((check for check in checks if not check.passed), None)
        if refused is None:
            return Verdict(True, checks=checks)
        return Verdict(False, "", reason(refused), refused.path, checks)
