"""The settings of Argo's Kafka client as those of ours."""

from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from click.testing import CliRunner

from events import check, kafka_config
from events.ports import BadSourceConfig
from server.cli.lint import lint
from tests.events.test_kafka_source import body, broker, config, producer, topic

__all__ = ["broker", "producer", "topic"]

SETTINGS = """
ClientID: shop
RackID: eu-1
Consumer:
  Fetch: {Min: 16, Default: 65536, Max: 0}
  MaxWaitTime: 250ms
  Retry: {Backoff: 1s}
  Group:
    Session: {Timeout: 45s}
    Heartbeat: {Interval: 5s}
    Rebalance: {Timeout: 1m, Strategy: sticky}
    InstanceId: one
  Offsets:
    Initial: -2
    AutoCommit: {Enable: false}
Metadata: {RefreshFrequency: 60000000000}
Net: {ReadTimeout: 90s, DialTimeout: 5s}
Producer: {MaxMessageBytes: 899}
"""


def test_settings_become_options_of_our_client_and_the_others_are_named() -> None:
    assert kafka_config.parse(SETTINGS) == kafka_config.Settings(
        {
            "client_id": "shop",
            "client_rack": "eu-1",
            "fetch_min_bytes": 16,
            "max_partition_fetch_bytes": 65536,
            "fetch_max_bytes": (1 << 31) - 1,
            "fetch_max_wait_ms": 250,
            "retry_backoff_ms": 1000,
            "session_timeout_ms": 45_000,
            "heartbeat_interval_ms": 5000,
            "rebalance_timeout_ms": 60_000,
            "group_instance_id": "one",
            "metadata_max_age_ms": 60_000,
            "request_timeout_ms": 90_000,
        },
        oldest=True,
        unused=(
            "Consumer.Group.Rebalance.Strategy",
            "Consumer.Offsets.AutoCommit",
            "Net.DialTimeout",
            "Producer",
        ),
    )


def test_options_are_those_that_the_client_has() -> None:
    import inspect

    from aiokafka import AIOKafkaConsumer

    known = inspect.signature(AIOKafkaConsumer).parameters
    assert kafka_config.parse(SETTINGS).options.keys() <= known.keys()


@pytest.mark.parametrize("spelling", ["consumer", "CONSUMER", "Consumer"])
def test_names_count_in_any_spelling(spelling: str) -> None:
    found = kafka_config.parse(f"{spelling}: {{maxwaittime: 1s}}")
    assert found.options == {"fetch_max_wait_ms": 1000}


def test_nothing_is_set_by_an_empty_text() -> None:
    assert kafka_config.parse("# nothing\n") == kafka_config.Settings({}, False, ())


def test_a_request_waits_for_longer_than_a_rebalance_may_take() -> None:
    found = kafka_config.parse("consumer: {group: {rebalance: {timeout: 2m}}}")
    assert found.options["request_timeout_ms"] == 125_000


def test_a_short_session_has_a_shorter_heartbeat() -> None:
    found = kafka_config.parse("consumer: {group: {session: {timeout: 3s}}}")
    assert found.options["heartbeat_interval_ms"] == 1000


WRONG: dict[str, tuple[str, str]] = {
    "no YAML": ("consumer: [", "config is no YAML"),
    "no mapping": ("- consumer", "config is no YAML mapping"),
    "a name nobody knows": ("consumer: {fetch: {minimum: 1}}", "config.consumer.fetch.minimum is no"),
    "a section nobody knows": ("consumers: {}", "config.consumers is no setting"),
    "a section that is a value": ("consumer: 1", "config.consumer has settings in it"),
    "text for a number": ("consumer: {fetch: {min: many}}", "'many', expected a whole number"),
    "no bytes at all": ("consumer: {fetch: {min: 0}}", "0, expected a whole number"),
    "milliseconds without a unit": ("consumer: {maxWaitTime: 500}", "bare numbers are nanoseconds"),
    "a time without an end": ("consumer: {maxWaitTime: .inf}", "inf, expected a time"),
    "a time that is none": ("consumer: {maxWaitTime: soon}", "'soon', expected a time"),
    "a start that is none": ("consumer: {offsets: {initial: 5}}", "expected -1"),
    "a client without a name": ("clientID: 7", "7, expected a text"),
    "a heartbeat longer than a session": (
        "consumer: {group: {session: {timeout: 6s}, heartbeat: {interval: 6s}}}", "must be shorter",
    ),
    "TLS in another place": ("net: {tls: {enable: true}}", "write `tls` of the source"),
    "a password in another place": ("net: {sasl: {user: u}}", "write `sasl` of the source"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_the_client_would_not_take_is_refused_by_its_path(name: str) -> None:
    text, said = WRONG[name]
    with pytest.raises(BadSourceConfig) as failure:
        kafka_config.parse(text)
    assert said in str(failure.value)
    [(_, told)] = check.faults({"kafka": {"orders": config(1, "t", config=text)}})
    assert said in told


async def test_a_source_reads_with_the_settings_it_is_given(
    bench: Any, broker: Any, topic: str, producer: Any
) -> None:
    await producer.send_and_wait(topic, b"1", partition=0)
    group = {"groupName": f"g-{topic}"}
    given = config(broker.port, topic, config=SETTINGS, consumerGroup=group)
    await bench.apply({"kafka": {"orders": given}})
    assert [body(event) for event in await bench.arrived(1)] == [1]
    assert b"member_id='one-" in await told_of(broker, f"g-{topic}")


async def told_of(broker: Any, group: str) -> bytes:
    """What the broker says of the group, members by the names they gave themselves."""
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{broker.port}")
    await admin.start()
    (answer,) = await admin.describe_consumer_groups([group])
    await admin.close()
    return str(answer).encode()


def test_lint_warns_of_what_has_no_effect(tmp_path: Path) -> None:
    file = tmp_path / "source.yaml"
    file.write_text(
        """apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: s}
spec:
  kafka:
    orders:
      url: broker:9092
      topic: t
      consumerGroup: {groupName: g}
      config: |
        net: {dialTimeout: 5s}
      schemaRegistry: {url: "http://registry"}
"""
    )
    ended = CliRunner().invoke(lint, ["-o", "simple", str(file)])
    assert ended.exit_code == 0, ended.output
    assert "spec.kafka.orders.config.net.dialTimeout" in ended.output
    assert "spec.kafka.orders.schemaRegistry" in ended.output
    assert "no effect" in ended.output
