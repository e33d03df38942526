"""What a WorkflowEventBinding submits: a workflow from a template, with arguments and metadata out of the event.

    submit:
      workflowTemplateRef: {name: greet}
      metadata: {labels: {of: payload.appellation}}
      arguments:
        parameters:
          - {name: appellation, valueFrom: {event: payload.appellation}}

Every value of `metadata` and `valueFrom.event` is an expression over `payload`, `metadata`, `discriminator` and
`namespace`. No field of a Sensor's template: bindings are made sensors when they are applied (Argo Workflows, events).
"""

from collections.abc import Callable, Mapping
from typing import Any

from bireme.kit.errors import BiremeError
from bireme.lang import environment, expr, gojson
from bireme.lang.errors import LangError
from bireme.manifests.workflow import Submit
from bireme.storage.ports import Transaction
from events.model import Event
from sensors import submitting
from sensors.errors import BadSensor
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]
Evaluate = Callable[[str, str], Any]
"""What an expression says, and which field of `submit` it stands in."""

_LABEL = "workflows.argoproj.io/workflow-event-binding"


@triggers.register("workflowEventBinding")
class WorkflowEventBindingTrigger:
    """Makes workflows, named after the firing that asked for them."""

    class Config(Submit, frozen=True):
        """The binding's `submit`, and the binding's own name."""

        binding: str = ""

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block: Json = given["template"]["workflowEventBinding"]
        [event] = events.values()
        evaluate = _evaluator(environment.of_json(event.data, "request"))
        return {
            "manifest": {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Workflow",
                "metadata": {**_metadata(block, evaluate), "namespace": origin.namespace},
                "spec": {
                    "workflowTemplateRef": block["workflowTemplateRef"],
                    "arguments": {"parameters": _parameters(block, evaluate)},
                },
            }
        }

    def fits_inside(self, firing: Firing) -> bool:
        return True

    def fire_inside(self, tx: Transaction, firing: Firing) -> Receipt:
        made = self.around.workflows.submit(tx, (firing.spec or {})["manifest"], firing.id)
        return submitting.receipt(made)

    async def fire(self, firing: Firing) -> Receipt:
        return await submitting.submit(self.around, firing)

    async def close(self) -> None:
        """Holds nothing."""


def _evaluator(names: Mapping[str, Any]) -> Evaluate:
    def evaluate(text: str, field: str) -> Any:
        try:
            expression = expr.compile(text)
        except LangError as error:
            raise BadSensor(f"submit.{field}: failed to compile '{text}': {error}") from error
        try:
            return expression.evaluate(names, environment.functions())
        except LangError as error:
            raise BadSensor(f"submit.{field}: failed to evaluate '{text}': {error}") from error

    return evaluate


def _metadata(block: Json, evaluate: Evaluate) -> Json:
    given: Json = block.get("metadata") or {}
    made: Json = {"generateName": f"{block['workflowTemplateRef']['name']}-"}
    for field in ("name", "generateName"):
        if given.get(field):
            made[field] = _word(evaluate, given[field], f"metadata.{field}")
    for field in ("labels", "annotations"):
        texts = (given.get(field) or {}).items()
        made[field] = {k: _word(evaluate, text, f"metadata.{field}.{k}") for k, text in texts}
    made["labels"][_LABEL] = block["binding"]
    return made


def _word(evaluate: Evaluate, text: str, field: str) -> str:
    value = evaluate(text, field)
    if not isinstance(value, str):
        raise BadSensor(f"submit.{field}: '{text}' is {gojson.dumps(value)}, expected a text")
    return value


def _parameters(block: Json, evaluate: Evaluate) -> list[Json]:
    made: list[Json] = []
    for index, parameter in enumerate((block.get("arguments") or {}).get("parameters") or ()):
        field = f"arguments.parameters[{index}].valueFrom.event"
        text = (parameter.get("valueFrom") or {}).get("event")
        if not text:
            raise BadSensor(f"submit.{field} is missing: write an expression such as payload.name")
        made.append({"name": parameter["name"], "value": _text(evaluate(text, field), field)})
    return made


def _text(value: Any, field: str) -> str:
    """A text as it is, everything else as JSON."""
    try:
        return value if isinstance(value, str) else gojson.dumps(value)
    except BiremeError as error:
        raise BadSensor(f"submit.{field}: {error}") from error
