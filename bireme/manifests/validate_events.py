"""Argo Events' validation: dependencies, then triggers; the first fault wins."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from bireme.kit.errors import UserError
from bireme.manifests import validate_triggers
from bireme.manifests.events import (
    SOURCE_KINDS,
    ConditionsReset,
    ContextFilter,
    DataFilter,
    Dependency,
    EventBusSpec,
    EventSourceSpec,
    ExprFilter,
    Filters,
    SASLConfig,
    SensorSpec,
    TimeFilter,
    TLSConfig,
    Trigger,
    TriggerParameter,
    TriggerTemplate,
)
from bireme.manifests.validate_cron import is_timezone

_ALL_REPLICAS = frozenset(  # kinds of which every replica may listen; of the others only one may
    (
        "webhook",
        "github",
        "gitlab",
        "bitbucket",
        "bitbucketserver",
        "slack",
        "sns",
        "stripe",
        "storageGrid",
        "gerrit",
        "sqs",
        "azureQueueStorage",
        "mns",
    )
)
_COMPARATORS = ("", ">=", ">", "=", "!=", "<", "<=")
_MECHANISMS = ("", "OAUTHBEARER", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI")


class InvalidAt(Exception):
    """What is wrong, in Argo's words, and the path of the field."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


def check_sensor(spec: SensorSpec, bus: str = "jetstream") -> None:
    """Raises InvalidAt."""
    check_dependencies(spec.dependencies, bus)
    check_triggers(spec.triggers)


def check_dependencies(dependencies: list[Dependency], bus: str = "jetstream") -> None:
    """`bus` "nats" is the deprecated STAN, which cannot tell two dependencies on one event apart."""
    if not dependencies:
        raise InvalidAt("no event dependencies found", "spec.dependencies")
    seen: set[tuple[str, str]] = set()
    for index, dependency in enumerate(dependencies):
        path = f"spec.dependencies[{index}]"
        _check_dependency(dependency, path)
        event = (dependency.event_source_name, dependency.event_name)
        if bus == "nats" and event in seen:
            raise InvalidAt(
                f"event '{event[1]}' from EventSource '{event[0]}' is referenced for more than one dependency in this"
                " Sensor object",
                path,
            )
        seen.add(event)
        if dependency.filters is not None:
            check_filters(dependency.filters, f"{path}.filters")
        check_operator(dependency.filters_logical_operator, f"{path}.filtersLogicalOperator")


def _check_dependency(dependency: Dependency, path: str) -> None:
    if not dependency.name:
        raise InvalidAt("event dependency must define a name", path)
    if not dependency.event_source_name:
        raise InvalidAt("event dependency must define the EventSourceName", path)
    if not dependency.event_name:
        raise InvalidAt("event dependency must define the EventName", path)


def check_filters(filters: Filters, path: str) -> None:
    check_operator(filters.expr_logical_operator, f"{path}.exprLogicalOperator")
    check_operator(filters.data_logical_operator, f"{path}.dataLogicalOperator")
    for index, expression in enumerate(filters.exprs):
        check_expr_filter(expression, f"{path}.exprs[{index}]")
    for index, data in enumerate(filters.data):
        check_data_filter(data, f"{path}.data[{index}]")
    if filters.context is not None:
        check_context_filter(filters.context, f"{path}.context")
    if filters.time is not None:
        check_time_filter(filters.time, f"{path}.time")


def check_operator(operator: str, path: str) -> None:
    if operator not in ("", "and", "or"):
        raise InvalidAt(f"logical operator {operator} not supported", path)


def check_comparator(comparator: str, path: str) -> None:
    if comparator not in _COMPARATORS:
        raise InvalidAt(f"comparator {comparator} not supported", path)


def check_expr_filter(expression: ExprFilter, path: str) -> None:
    if not expression.expr or not expression.fields:
        text = "one of expr filters is not valid (expr and fields must be not empty)"
        raise InvalidAt(text, path)
    for index, field in enumerate(expression.fields):
        if not field.path or not field.name:
            text = "one of expr filters is not valid (path and name in a field must be not empty)"
            raise InvalidAt(text, f"{path}.fields[{index}]")


def check_data_filter(data: DataFilter, path: str) -> None:
    check_comparator(data.comparator, f"{path}.comparator")
    if not data.path or not data.type or not data.value:
        text = "one of data filters is not valid (type, path and value must be not empty)"
        raise InvalidAt(text, path)
    if "" in data.value:
        raise InvalidAt(
            "one of data filters is not valid (value must be not empty)", f"{path}.value"
        )


def check_context_filter(context: ContextFilter, path: str) -> None:
    if not (context.type or context.subject or context.source or context.datacontenttype):
        text = "no fields specified in ctx filter (aka all events will be discarded)"
        raise InvalidAt(text, path)


def check_time_filter(time: TimeFilter, path: str) -> None:
    if time.timezone and not is_timezone(time.timezone):
        raise InvalidAt(
            f"invalid timezone '{time.timezone}': unknown time zone {time.timezone}",
            f"{path}.timezone",
        )
    for name in ("start", "stop"):
        text = getattr(time, name)
        try:
            datetime.strptime(text, "%H:%M:%S")  # noqa: DTZ007 (a time of day)
        except ValueError as error:
            raise InvalidAt(
                f'parsing time "{text}" as "15:04:05": cannot parse', f"{path}.{name}"
            ) from error
    if time.start == time.stop:
        text = f"invalid event time filter: stop '{time.stop}' is equal to start '{time.start}"
        raise InvalidAt(text, path)


def check_triggers(triggers: list[Trigger]) -> None:
    if not triggers:
        raise InvalidAt("no triggers found", "spec.triggers")
    names: set[str] = set()
    for index, trigger in enumerate(triggers):
        path = f"spec.triggers[{index}]"
        template = trigger.template
        if template is not None and template.name and template.name in names:
            raise InvalidAt(f"duplicate trigger name: {template.name}", f"{path}.template.name")
        check_trigger(trigger, path)
        names.add(template.name if template is not None else "")


def check_trigger(trigger: Trigger, path: str) -> None:
    template = trigger.template
    if template is None:
        raise InvalidAt("trigger template can't be nil", path)
    if not template.name:
        raise InvalidAt("trigger must define a name", f"{path}.template")
    for index, reset in enumerate(template.conditions_reset):
        _check_reset(reset, f"{path}.template.conditionsReset[{index}]")
    for kind, body in template.bodies.items():
        _check_body(template, kind, body, f"{path}.template.{kind}")
    _check_parameters("template parameter", trigger.parameters, f"{path}.parameters")
    if trigger.dlq_trigger is not None:
        _check_dead_letter(trigger, trigger.dlq_trigger, f"{path}.dlqTrigger")


def _check_dead_letter(trigger: Trigger, dead_letter: Trigger, path: str) -> None:
    if not trigger.at_least_once:
        raise InvalidAt("to use dlqTrigger, trigger.atLeastOnce must be set to true", path)
    if not dead_letter.at_least_once:
        raise InvalidAt("atLeastOnce must be set to true within the dlqTrigger", path)
    check_trigger(dead_letter, path)


def _check_reset(reset: ConditionsReset, path: str) -> None:
    from bireme.lang import cron  # with its tables, which few sensors need

    by_time = reset.by_time
    if by_time is None:
        raise InvalidAt("invalid conditionsReset", path)
    try:
        cron.validate(by_time.cron)
    except UserError as error:
        text = f'invalid cron expression "{by_time.cron}"'
        raise InvalidAt(text, f"{path}.byTime.cron") from error
    if by_time.timezone and not is_timezone(by_time.timezone):
        raise InvalidAt(f'invalid timezone "{by_time.timezone}"', f"{path}.byTime.timezone")


def _check_body(template: TriggerTemplate, kind: str, body: dict[str, Any], path: str) -> None:
    subject = "trigger for template" if kind == "k8s" else "template"
    prefix = f"{subject} {template.name} is invalid, "
    if fault := validate_triggers.fault(kind, body):
        raise InvalidAt(prefix + fault, path)
    try:
        parameters = ("resource parameter", "parameters"), ("payload", "payload")
        for what, field in parameters:
            typed = _parameters(body.get(field) or [], f"{path}.{field}")
            may_lack_dest = kind == "http" and field == "payload"
            _check_parameters(what, typed, f"{path}.{field}", may_lack_dest=may_lack_dest)
    except InvalidAt as error:
        raise InvalidAt(prefix + str(error), error.path) from None


def _parameters(plain: Any, path: str) -> list[TriggerParameter]:
    try:
        return msgspec.convert(plain, list[TriggerParameter])
    except msgspec.ValidationError as error:
        raise InvalidAt(str(error), path) from error


def _check_parameters(
    what: str, parameters: Iterable[TriggerParameter], path: str, *, may_lack_dest: bool = False
) -> None:
    for index, parameter in enumerate(parameters):
        if fault := _parameter_fault(parameter, may_lack_dest):
            raise InvalidAt(f"{what} index: {index}. err: {fault}", f"{path}[{index}]")


def _parameter_fault(parameter: TriggerParameter, may_lack_dest: bool) -> str:
    if parameter.src is None:
        return "parameter source can't be empty"
    if not parameter.src.dependency_name:
        return "parameter dependency name can't be empty"
    if not parameter.dest and not may_lack_dest:
        return "parameter destination can't be empty"
    if parameter.operation not in ("", "append", "prepend", "overwrite"):
        return f"parameter operation {parameter.operation} is invalid"
    return ""


def check_event_source(spec: EventSourceSpec) -> None:
    """Raises InvalidAt."""
    seen: set[str] = set()
    for kind, events in spec.sources.items():
        for name in events:
            if name in seen:
                raise InvalidAt(f'more than one "{name}" found in the spec', f"spec.{kind}.{name}")
            seen.add(name)
    # Of kinds that are ours upstream knows nothing: each goes with all the others.
    kinds = [kind for kind, events in spec.sources.items() if events and kind in SOURCE_KINDS]
    shared = sum(kind in _ALL_REPLICAS for kind in kinds)
    if 0 < shared < len(kinds):
        raise InvalidAt(
            "event sources with rolling update and recreate update strategy can not be put together",
            "spec",
        )


def check_event_bus(spec: EventBusSpec) -> None:
    """Raises InvalidAt."""
    buses = (spec.nats, spec.jetstream, spec.kafka, spec.jetstream_exotic)
    if all(bus is None for bus in buses):
        text = 'either "nats", "jetstream", "jetstreamExotic", or "kafka" needs to be specified'
        raise InvalidAt(f"invalid spec: {text}", "spec")
    if spec.nats is not None:
        _check_nats(spec)
    if spec.jetstream is not None:
        _check_jetstream(spec.jetstream.version, spec.jetstream.replicas)
    for name, bus in (("kafka", spec.kafka), ("jetstreamExotic", spec.jetstream_exotic)):
        if bus is not None and not bus.url:
            raise InvalidAt(f'"spec.{name}.url" is missing', f"spec.{name}")


def _check_nats(spec: EventBusSpec) -> None:
    native, exotic = (spec.nats.native, spec.nats.exotic) if spec.nats else (None, None)
    if native is not None and exotic is not None:
        text = '"spec.nats.native" and "spec.nats.exotic" can not be defined together'
        raise InvalidAt(text, "spec.nats")
    if native is None and exotic is None:
        raise InvalidAt('either "native" or "exotic" must be defined', "spec.nats")
    if exotic is not None and not exotic.cluster_id:
        raise InvalidAt('"spec.nats.exotic.clusterID" is missing', "spec.nats.exotic")
    if exotic is not None and not exotic.url:
        raise InvalidAt('"spec.nats.exotic.url" is missing', "spec.nats.exotic")


def _check_jetstream(version: str, replicas: int | None) -> None:
    if not version:
        text = "invalid spec: a version for jetstream needs to be specified"
        raise InvalidAt(text, "spec.jetstream")
    if replicas is not None and replicas not in (0, 1) and replicas < 3:
        text = "invalid spec: a jetstream eventbus requires 1 replica or >= 3 replicas"
        raise InvalidAt(text, "spec.jetstream.replicas")


def check_tls(tls: TLSConfig | None, path: str = "tls") -> None:
    """A TLS block names a CA, or a certificate with its key, or says it needs neither."""
    if tls is None or tls.enabled or tls.insecure_skip_verify:
        return
    has_cert, has_key = tls.client_cert_secret is not None, tls.client_key_secret is not None
    if has_cert != has_key:
        text = "both clientCertSecret and clientKeySecret need to be configured"
        raise InvalidAt(f"invalid tls config, {text}", path)
    if tls.ca_cert_secret is None and not has_cert:
        text = "either caCertSecret, or clientCertSecret and clientKeySecret, or both"
        raise InvalidAt(f"invalid tls config, please configure {text}", path)


def check_sasl(sasl: SASLConfig | None, path: str = "sasl") -> None:
    """A SASL block has a known mechanism, a user and a password."""
    if sasl is None:
        return
    if sasl.mechanism not in _MECHANISMS:
        *most, last = _MECHANISMS[1:]
        choices = ", ".join(f"`{name}`" for name in most) + f" and `{last}`"
        raise InvalidAt(
            f"invalid sasl config. Possible values for SASL Mechanism are {choices}",
            f"{path}.mechanism",
        )
    if sasl.user_secret is None or sasl.password_secret is None:
        text = "invalid sasl config, both userSecret and passwordSecret must be defined"
        raise InvalidAt(text, path)
