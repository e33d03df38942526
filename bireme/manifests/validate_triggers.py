"""What each trigger kind demands before it can be fired, as a table; Argo's texts."""

from collections.abc import Callable
from typing import Any, NamedTuple

Body = dict[str, Any]
_NO_ACTION = "{} trigger does not contain an absolute action"
_METHODS = ("GET", "DELETE", "PATCH", "POST", "PUT")
_OBJECT_OPERATIONS = ("", "create", "update", "patch", "delete")
_WORKFLOW_OPERATIONS = (
    "submit",
    "submit-from",
    "suspend",
    "retry",
    "resume",
    "resubmit",
    "terminate",
    "stop",
)


class Rule(NamedTuple):
    """`is_broken` of a body means `message`, which may hold a field of the body."""

    is_broken: Callable[[Body], bool]
    message: str


def _empty(field: str) -> Callable[[Body], bool]:
    return lambda body: not body.get(field)


def _absent(field: str) -> Callable[[Body], bool]:
    return lambda body: field not in body


def _not_in(field: str, choices: tuple[str, ...]) -> Callable[[Body], bool]:
    return lambda body: body.get(field, "") not in choices


RULES: dict[str, tuple[Rule, ...]] = {
    "k8s": (
        Rule(_absent("source"), _NO_ACTION.format("k8s")),
        Rule(_not_in("operation", _OBJECT_OPERATIONS), "unknown operation type {operation}"),
    ),
    "argoWorkflow": (
        Rule(_absent("source"), _NO_ACTION.format("argoWorkflow")),
        Rule(_not_in("operation", _WORKFLOW_OPERATIONS), "unknown operation type {operation}"),
    ),
    "http": (
        Rule(_empty("url"), "server URL is not specified"),
        Rule(
            _not_in("method", ("", *_METHODS)),
            "only GET, DELETE, PATCH, POST and PUT methods are supported",
        ),
    ),
    "awsLambda": (
        Rule(_empty("functionName"), "function name is not specified"),
        Rule(_empty("region"), "region in not specified"),
        Rule(_absent("payload"), "payload parameters are not specified"),
    ),
    "kafka": (
        Rule(_empty("url"), "broker url must not be empty"),
        Rule(_absent("payload"), "payload must not be empty"),
        Rule(_empty("topic"), "topic must not be empty"),
    ),
    "nats": (
        Rule(_empty("url"), "nats server url can't be empty"),
        Rule(_empty("subject"), "nats subject can't be empty"),
        Rule(_absent("payload"), "payload can't be nil"),
    ),
    "slack": (Rule(_absent("slackToken"), "slack token can't be empty"),),
    "email": (
        Rule(_empty("host"), "host can't be empty"),
        Rule(
            lambda body: isinstance(port := body.get("port", 0), int) and not 0 <= port <= 65535,
            "port: {port}, port should be between 0-65535",
        ),
    ),
    "openWhisk": (
        Rule(_empty("actionName"), "action name is not specified"),
        Rule(_empty("host"), "host URL is not specified"),
        Rule(_absent("payload"), "payload parameters are not specified"),
    ),
    "custom": (
        Rule(_empty("serverURL"), "custom trigger gRPC server url is not defined"),
        Rule(_absent("spec"), "trigger body can't be empty"),
        Rule(
            lambda body: bool(body.get("secure")) and "certSecret" not in body,
            "certSecret can't be nil when the trigger server connection is secure",
        ),
    ),
}


def fault(kind: str, body: Body) -> str:
    """The first thing wrong with the body of a kind; "" when nothing, or when the kind has no rules."""
    for rule in RULES.get(kind, ()):
        if rule.is_broken(body):
            fields = {"operation": body.get("operation", ""), "port": body.get("port", "")}
            return rule.message.format(**fields)
    return ""
