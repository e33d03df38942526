"""Configs that Argo would not start are refused before anything runs, kind by kind."""

from typing import Any

import pytest
import yaml

from events import check
from tests.events.test_source_kinds import KINDS, example

S = {"name": "s", "key": "k"}
W = {"endpoint": "/x", "port": "12000", "method": "POST", "url": "http://hooks.example"}
AMQP = {"url": "amqp://h", "exchangeName": "e", "exchangeType": "fanout", "routingKey": "k"}
SNS = {"webhook": W, "topicArn": "arn:aws:sns:r:1:t", "region": "r"}
HUB = {"fqdn": "f", "hubName": "h", "sharedAccessKey": S, "sharedAccessKeyName": S}
BUS = {"connectionString": S, "queueName": "q"}
CLOUD = {
    "webhook": W, "events": ["e"], "auth": {"oauthToken": S},
    "repositories": [{"owner": "o", "repositorySlug": "r"}],
}  # fmt: skip
EMITTER = {"broker": "b:1", "channelName": "c", "channelKey": "k"}
WATCH = {"directory": "/d", "path": "p"}
FILE = {"eventType": "CREATE", "watchPathConfig": WATCH}
GERRIT = {
    "webhook": W, "events": ["e"], "projects": ["p"], "gerritBaseURL": "http://h", "hookName": "h",
    "auth": {"username": S, "password": S},
}  # fmt: skip
GITHUB = {"webhook": W, "events": ["*"], "organizations": ["o"], "apiToken": S}
GITLAB = {
    "webhook": W, "events": ["PushEvents"], "projects": ["p"], "gitlabBaseURL": "http://h",
    "accessToken": S,
}  # fmt: skip
HDFS = {"directory": "/d", "path": "p", "type": "CREATE", "addresses": ["a:1"], "hdfsUser": "u"}
KAFKA = {"url": "u:1", "topic": "t", "consumerGroup": {"groupName": "g"}}
MINIO = {
    "endpoint": "e:1", "bucket": {"name": "b"}, "accessKey": S, "secretKey": S,
    "events": ["s3:ObjectCreated:*"],
}  # fmt: skip
MQTT = {"url": "tcp://u:1", "topic": "t", "clientId": "c"}
NSQ = {"hostAddress": "h:1", "topic": "t", "channel": "c"}
RESOURCE = {"group": "", "version": "v1", "resource": "pods", "eventTypes": ["ADD"]}
GRID = {
    "webhook": W, "topicArn": "a", "apiURL": "http://u", "authToken": S, "bucket": "b",
    "events": ["ObjectCreated:Put"],
}  # fmt: skip
SLACK = {"webhook": W, "signingSecret": S, "token": S}

LACKS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "amqp": (AMQP, ("url", "exchangeType", "routingKey")),
    "sns": (SNS, ("topicArn", "region", "webhook")),
    "sqs": ({"queue": "q", "region": "r"}, ("queue", "region")),
    "azureEventsHub": (HUB, ("fqdn", "hubName", "sharedAccessKey", "sharedAccessKeyName")),
    "azureQueueStorage": (
        {"connectionString": S, "queueName": "q"},
        ("connectionString", "queueName"),
    ),
    "azureServiceBus": (BUS, ("connectionString", "queueName")),
    "bitbucket": (CLOUD, ("webhook", "events", "repositories")),
    "calendar": ({"schedule": "0 2 * * *"}, ("schedule",)),
    "emitter": (EMITTER, ("broker", "channelName", "channelKey")),
    "file": (FILE, ("eventType", "watchPathConfig")),
    "generic": ({"url": "u:1", "config": "c"}, ("url", "config")),
    "gerrit": (GERRIT, ("webhook", "events", "projects", "gerritBaseURL")),
    "github": (GITHUB, ("webhook", "events", "organizations")),
    "gitlab": (GITLAB, ("webhook", "events", "gitlabBaseURL")),
    "hdfs": (HDFS, ("type", "addresses", "hdfsUser")),
    "kafka": (KAFKA, ("url", "topic", "consumerGroup")),
    "minio": (MINIO, ("endpoint", "bucket", "accessKey", "secretKey", "events")),
    "mqtt": (MQTT, ("url", "topic")),
    "nats": ({"url": "u:1", "subject": "s"}, ("url", "subject")),
    "nsq": (NSQ, ("hostAddress", "topic", "channel")),
    "pulsar": (
        {"url": "pulsar://h", "topics": ["t"], "type": "shared"},
        ("url", "topics", "type"),
    ),
    "redis": ({"hostAddress": "h:1", "channels": ["c"]}, ("hostAddress", "channels")),
    "redisStream": ({"hostAddress": "h:1", "streams": ["s"]}, ("hostAddress", "streams")),
    "resource": (RESOURCE, ("version", "resource", "eventTypes")),
    "slack": (SLACK, ("token", "signingSecret", "webhook")),
    "storageGrid": (GRID, ("topicArn", "authToken", "bucket", "webhook")),
    "webhook": (W, ("endpoint", "port")),
}
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a TLS block that says nothing": ("amqp", {**AMQP, "tls": {}}, "please configure either"),
    "a certificate without its key": (
        "kafka",
        {**KAFKA, "tls": {"clientCertSecret": S}},
        "both clientCertSecret and clientKeySecret need to be configured",
    ),
    "a user without a password": ("mqtt", {**MQTT, "auth": {"username": S}}, "password missing"),
    "a password without a user": ("amqp", {**AMQP, "auth": {"password": S}}, "username missing"),
    "a mechanism that is none": ("kafka", {**KAFKA, "sasl": {"mechanism": "zz"}}, "'zz'"),
    "a queue group without a name": (
        "nats",
        {"url": "u:1", "subject": "s", "queue": ""},
        "queue group cannot be empty",
    ),
    "two addresses": ("amqp", {**AMQP, "urlSecret": S}, "url"),
    "a queue and a topic": ("azureServiceBus", {**BUS, "topicName": "t"}, "topicName"),
    "a schedule that is none": ("calendar", {"schedule": "zz"}, "zz"),
    "an interval that is none": ("calendar", {"interval": "zz"}, "zz"),
    "a path and a pattern": (
        "file",
        {**FILE, "watchPathConfig": {**WATCH, "pathRegexp": "x"}},
        "pathRegexp",
    ),
    "a pattern that does not parse": (
        "file",
        {**FILE, "watchPathConfig": {"directory": "/d", "pathRegexp": "("}},
        "pathRegexp",
    ),
    "a content type of neither kind": ("github", {**GITHUB, "contentType": "xml"}, "contentType"),
    "one of two addresses": ("github", {**GITHUB, "githubBaseURL": "http://h"}, "githubUploadURL"),
    "repositories and organizations": (
        "github",
        {**GITHUB, "repositories": [{"owner": "o", "names": ["n"]}]},
        "not both",
    ),
    "a kind of change that is none": ("minio", {**MINIO, "events": ["zz"]}, "unknown event zz"),
    "a subscription of no kind": (
        "pulsar",
        {"url": "pulsar://h", "topics": ["t"], "type": "zz"},
        "zz",
    ),
    "a selector without a key": (
        "resource",
        {**RESOURCE, "filter": {"labels": [{"key": "", "operation": "==", "value": "x"}]}},
        "key is missing",
    ),
    "a selector of no operation": (
        "resource",
        {**RESOURCE, "filter": {"labels": [{"key": "a", "operation": "~~", "value": "x"}]}},
        "unknown operation",
    ),
    "a port that is none": ("webhook", {**W, "port": "zz"}, "port"),
}


def said(kind: str, config: dict[str, Any]) -> list[tuple[str, str]]:
    return list(check.faults({kind: {"one": config}}))


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_every_kind_would_run(kind: str) -> None:
    assert list(check.faults(yaml.safe_load(example(kind))["spec"])) == []


@pytest.mark.parametrize("kind", LACKS)
def test_a_field_that_argo_asks_for_is_missed(kind: str) -> None:
    whole, needed = LACKS[kind]
    assert said(kind, whole) == []
    for field in needed:
        found = said(kind, {name: value for name, value in whole.items() if name != field})
        assert [path for path, _ in found] == [f"spec.{kind}.one"], field


@pytest.mark.parametrize("what", WRONG)
def test_what_contradicts_itself_is_refused(what: str) -> None:
    kind, config, words = WRONG[what]
    [(path, message)] = said(kind, config)
    assert path.startswith(f"spec.{kind}.one")
    assert words in message


@pytest.mark.parametrize("what", WRONG)
async def test_the_same_is_refused_where_nobody_asked_lint(bench: Any, what: str) -> None:
    kind, config, _ = WRONG[what]
    [(path, message)] = said(kind, config)
    await bench.apply({kind: {"one": config}})
    (status,) = bench.bank.status()
    assert (status.state, status.error) == ("refused", f"{path}: {message}")


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("nats", {"subject": "a"}, "url is missing"),
        ("nats", {"url": "nats://a"}, "subject is missing"),
        ("nats", {"url": "nats://a", "subjects": "a"}, "subjects"),
        ("redis", {"hostAddress": "a", "channels": ["a"]}, "expected host:port"),
        ("redis", {"hostAddress": "a:1"}, "channels is missing"),
        ("redisStream", {"hostAddress": "a:1"}, "streams is missing"),
        ("mqtt", {"url": "tcp://a:1"}, "topic is missing"),
        ("mqtt", {"url": "http://a:1", "topic": "a"}, "tcp://broker:1883"),
        (
            "mqtt",
            {"url": "tcp://a:99999", "topic": "a"},
            "no address of a broker: Port out of range",
        ),
        ("mqtt", {"url": "tcp://a:b", "topic": "a"}, "no address of a broker: Port could not be"),
        ("mqtt", {"url": "tcp://[a", "topic": "a"}, "no address of a broker: Invalid IPv6"),
        ("amqp", {"exchangeType": "topic", "routingKey": "a"}, "url and urlSecret"),
        ("amqp", {"url": "amqp://a", "routingKey": "a"}, "exchangeType is missing"),
        ("amqp", {"url": "amqp://a", "exchangeType": "topic"}, "routingKey is missing"),
        ("generic", {"config": "a"}, "url is missing"),
        ("generic", {"url": "a:1"}, "config is missing"),
        ("emitter", {"broker": "tcp://a", "channelKey": "k"}, "channelName is missing"),
        ("emitter", {"channelName": "a", "channelKey": "k"}, "no address of a broker"),
        ("sftp", {}, "address and username are needed"),
        (
            "sftp",
            {key: {"name": "n", "key": "k"} for key in ("address", "username", "password")}
            | {"eventType": "RENAME"},
            "SFTP does not tell of RENAME",
        ),
        ("hdfs", {}, "addresses is missing"),
        ("hdfs", {"addresses": ["x"]}, "hdfsUser is missing"),
        ("hdfs", {"addresses": ["x"], "krbUsername": "u"}, "Kerberos is not supported"),
        ("hdfs", {"addresses": ["x"], "hdfsUser": "u"}, "type must be specified"),
        ("hdfs", {"addresses": ["x"], "hdfsUser": "u", "type": "CREATE"}, "directory is required"),
    ],
)
async def test_a_source_that_cannot_work_says_what_is_missing(
    bench: Any, kind: str, config: dict[str, Any], said: str
) -> None:
    await bench.apply({kind: {"orders": config}})
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert said in status.error
