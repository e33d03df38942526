"""The `selector` of a WorkflowEventBinding: one expression over `payload`, `metadata`, `discriminator` and `namespace`.

    event:
      selector: payload.appellation != "" && discriminator == "names"

Only true and false are answers; whatever cannot be evaluated is an error, in Argo's words. No field of a Sensor's
`filters`; `text` is the expression, so that an empty one is not none.
"""

from typing import Any

from bireme.kit.errors import BiremeError
from bireme.lang import environment, expr
from sensors.model import Check, Verdict
from sensors.registry import filters
from sensors.view import View


@filters.register("selector")
class SelectorFilter:
    """Passes the requests that its expression is true of."""

    def __init__(self, config: Any, operator: str) -> None:
        self._text: str = config["text"]

    def verdict(self, view: View) -> Verdict:
        try:
            names = environment.of_json(view.event.data, "request")
            passed = expr.eval_bool(self._text, names, environment.functions())
        except BiremeError as error:
            told = f"failed to evaluate workflow template expression: {error}"
            return Verdict(False, told, told, "selector")
        check = Check("selector", passed, self._text, str(passed).lower(), "true")
        return Verdict(passed, "", "" if passed else "the selector is false", "selector", (check,))
