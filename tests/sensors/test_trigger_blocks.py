"""What a trigger's block may hold: a misspelt field or a value of another type is named before anything runs."""

from pathlib import Path
from typing import Any

import pytest

from bireme.kit.errors import InvalidManifest
from bireme.manifests.base import Spec
from bireme.manifests.decode import decode
from bireme.manifests.manifest import Manifest
from sensors.check import misfits
from sensors.registry import triggers
from server.objects import check

OURS = [kind for kind in triggers.kinds() if triggers[kind].__module__.startswith("sensors.")]
PAYLOAD = [{"src": {"dependencyName": "d", "dataKey": "body"}, "dest": "x"}]
KEY = {"name": "n", "key": "k"}
TLS = {"caCertSecret": KEY, "clientCertSecret": KEY, "clientKeySecret": KEY}
BASIC = {"username": KEY, "password": KEY}
HEADERS = [
    {"name": "A", "valueFrom": {"secretKeyRef": KEY}},
    {"name": "B", "valueFrom": {"configMapKeyRef": KEY}},
]
SENT = {"payload": PAYLOAD, "parameters": PAYLOAD}

# Every field that Argo's types have (spec: the types of Argo Events), by kind.
WHOLE: dict[str, dict[str, Any]] = {
    "http": SENT | {"url": "u", "method": "GET", "tls": TLS, "timeout": 5, "basicAuth": BASIC, "headers": {"a": "b"},
        "secureHeaders": HEADERS, "dynamicHeaders": PAYLOAD, "host": "h"},
    "cloudevents": SENT | {"url": "u", "mode": "binary", "type": "t", "source": "s", "subject": "s", "dependency": "d",
        "datacontenttype": "c", "headers": {}, "secureHeaders": HEADERS, "basicAuth": BASIC, "tls": TLS, "timeout": 5},
    "kafka": SENT | {"url": "u", "topic": "t", "partition": 0, "requiredAcks": 1, "compress": True, "flushFrequency": 5,
        "tls": TLS, "partitioningKey": "k", "version": "1.0.0", "headers": {"a": "b"}, "secureHeaders": HEADERS,
        "sasl": {"mechanism": "PLAIN", "userSecret": KEY, "passwordSecret": KEY},
        "schemaRegistry": {"url": "u", "schemaId": 1, "auth": BASIC}},
    "nats": SENT | {"url": "u", "subject": "s", "tls": TLS,
        "auth": {"basic": BASIC, "token": KEY, "nkey": KEY, "credential": KEY}},
    "pulsar": SENT | {"url": "u", "topic": "t", "tlsTrustCertsSecret": KEY, "tlsAllowInsecureConnection": True,
        "tlsValidateHostname": True, "tls": TLS, "authTokenSecret": KEY, "authAthenzParams": {"a": "b"},
        "authAthenzSecret": KEY, "connectionBackoff": {"duration": "1s", "factor": 2, "jitter": 0.1, "steps": 3}},
    "awsLambda": SENT | {"functionName": "f", "accessKey": KEY, "secretKey": KEY, "region": "r", "roleARN": "a",
        "invocationType": "Event", "endpoint": "e"},
    "azureEventHubs": SENT | {"fqdn": "f", "hubName": "h", "sharedAccessKeyName": KEY, "sharedAccessKey": KEY},
    "azureServiceBus": SENT | {"connectionString": KEY, "queueName": "q", "topicName": "t", "subscriptionName": "s",
        "tls": TLS},
    "openWhisk": SENT | {"host": "h", "version": "v", "namespace": "n", "authToken": KEY, "actionName": "a"},
    "custom": SENT | {"serverURL": "u", "secure": True, "certSecret": KEY, "serverNameOverride": "s",
        "spec": {"a": "b"}},
    "email": {"parameters": PAYLOAD, "username": "u", "smtpPassword": KEY, "host": "h", "port": 25, "to": ["a@b.c"],
        "from": "f", "subject": "s", "body": "b"},
    "slack": {"parameters": PAYLOAD, "slackToken": KEY, "channel": "c", "message": "m", "attachments": "[]",
        "blocks": "[]", "thread": {"messageAggregationKey": "k", "broadcastMessageToChannel": True},
        "sender": {"username": "u", "icon": ":x:"}, "endpoint": "e"},
    "log": {"intervalSeconds": 5},
    "workflowEventBinding": {"binding": "b", "workflowTemplateRef": {"name": "t", "clusterScope": True},
        "metadata": {"name": "payload.n", "generateName": "payload.n", "labels": {"a": "b"}, "annotations": {}},
        "arguments": {"parameters": [{"name": "p", "valueFrom": {"event": "payload.p"}}]}},
    "k8s": {"parameters": PAYLOAD, "operation": "patch", "patchStrategy": "s", "liveObject": True,
        "source": {"resource": {"kind": "Pod", "spec": {"anything": [1]}}}},
    "argoWorkflow": {"parameters": PAYLOAD, "operation": "submit", "args": ["-p", "a=b"], "source": {
        "inline": "text", "file": {"path": "p"}, "url": {"path": "p", "verifyCert": False}, "configmap": KEY,
        "s3": {"endpoint": "e", "bucket": {"name": "b", "key": "k"}},
        "git": {"url": "u", "cloneDirectory": "c", "creds": BASIC, "sshKeySecret": KEY, "filePath": "f", "branch": "b",
            "tag": "t", "ref": "r", "remote": {"name": "n", "urls": ["u"]}, "insecureIgnoreHostKey": True,
            "githubApp": {"privateKey": KEY, "appID": 1, "installationID": 2}}}},
}  # fmt: skip


def sensor(template: dict[str, Any], **more: Any) -> Manifest[Any]:
    dependency = {"name": "d", "eventSourceName": "a", "eventName": "b"}
    trigger = {"template": {"name": "t", **template}, **more}
    return decode(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Sensor",
            "metadata": {"name": "s"},
            "spec": {"dependencies": [dependency], "triggers": [trigger]},
        }
    )


def said(manifest: Manifest[Any]) -> list[tuple[str, str]]:
    return [(p.path.removeprefix("spec.triggers[0]."), p.message) for p in misfits(manifest)]


@pytest.mark.parametrize("kind", OURS)
def test_each_kind_takes_every_field_of_argos_and_no_other(kind: str) -> None:
    assert issubclass(triggers[kind].Config, Spec)
    assert said(sensor({kind: WHOLE[kind]})) == []
    [(path, message)] = said(sensor({kind: {**WHOLE[kind], "urls": 1}}))
    assert (path, message) == (f"template.{kind}.urls", "unknown field 'urls'")


@pytest.mark.parametrize("kind", OURS)
def test_each_field_of_another_type_is_named(kind: str) -> None:
    for name, value in WHOLE[kind].items():
        wrong = [3] if not isinstance(value, list) else "text"
        found = said(sensor({kind: {**WHOLE[kind], name: wrong}}))
        assert [path for path, _ in found] == [f"template.{kind}.{name}"], (name, found)


def test_what_a_dead_firing_triggers_is_looked_at_too() -> None:
    after = {"template": {"name": "u", "log": {"interval": 5}}}
    [(path, message)] = said(sensor({"log": {}}, dlqTrigger=after))
    assert path == "dlqTrigger.template.log.interval"
    assert message == "unknown field 'interval'"


SOURCES = WHOLE["argoWorkflow"]["source"]


@pytest.mark.parametrize("place", ["file", "url", "configmap", "git", "s3"])
def test_where_a_manifest_comes_from_is_looked_at_field_by_field(place: str) -> None:
    path = f"template.argoWorkflow.source.{place}"
    given = {"argoWorkflow": {"source": {place: {**SOURCES[place], "pat": "x"}}}}
    assert said(sensor(given)) == [(f"{path}.pat", "unknown field 'pat'")]
    for name in SOURCES[place]:
        wrong = {"argoWorkflow": {"source": {place: {**SOURCES[place], name: [[3]]}}}}
        [found] = [p for p, _ in said(sensor(wrong))]
        assert found.startswith(f"{path}.{name}"), found


def test_what_is_null_counts_as_unwritten() -> None:
    assert said(sensor({"http": {"url": "u", "headers": None, "payload": None}})) == []


def test_a_block_of_a_kind_that_is_nobodys_is_let_pass() -> None:
    assert said(sensor({"ftp": {"anything": 1}})) == []


def test_a_sensor_that_is_applied_is_refused_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "apiVersion: argoproj.io/v1alpha1\n"
        "kind: Sensor\n"
        "metadata: {name: s}\n"
        "spec:\n"
        "  dependencies: [{name: d, eventSourceName: a, eventName: b}]\n"
        "  triggers:\n"
        "    - template:\n"
        "        name: t\n"
        "        http:\n"
        "          url: http://example.com\n"
        "          methdo: GET\n"
    )
    with pytest.raises(InvalidManifest) as refused:
        check.file(file, 10_000)
    [problem] = refused.value.problems
    assert (problem.file, problem.line) == (str(file), 11)
    assert problem.path == "spec.triggers[0].template.http.methdo"
    assert problem.advice == "did you mean method?"
