"""Logging in to Amazon's managed Kafka: the token's form, and a source at a door that is a fake, on a real broker."""

import base64
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from bireme.kit.clock import FixedClock
from events import check, fields, kafka_msk, tls
from events.ports import Place, Surroundings
from events.sigv4 import Keys
from tests.events.test_kafka_source import config
from tests.servers import certificates, kafka, msk_front, process
from tests.servers.waiting import until

GIVEN = kafka_msk.AwsMskIamAuth(region="eu-west-1")
CA = tls.Tls(ca_cert_secret=fields.SecretRef(name="guard", key="ca"))
NOW = datetime(2026, 7, 18, 9, tzinfo=UTC)

# What Amazon's own signer for Python (1.0.2) makes of the same keys at the same time.
SIGNED = {
    "": "6a3748612a29cfadb30dcd527a427bd3a991589431aae211f6782be09dcde6ff",
    "tok/en+=": "ee65932142d598c3bb5af1b703df0c4ff56afe07f69e0b553a676eb5077542e0",
}


def unfolded(token: str) -> str:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()


@pytest.mark.parametrize("lent", SIGNED)
def test_a_token_is_what_amazons_own_signer_makes(lent: str) -> None:
    token = kafka_msk.token("eu-west-1", Keys("AKIAEXAMPLE", "secret/key", lent), NOW)
    assert not set(token) & set("+/=")
    address = urlsplit(unfolded(token))
    assert address[:3] == ("https", "kafka.eu-west-1.amazonaws.com", "/")
    assert dict(parse_qsl(address.query)) == {
        "Action": "kafka-cluster:Connect",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "AKIAEXAMPLE/20260718/eu-west-1/kafka-cluster/aws4_request",
        "X-Amz-Date": "20260718T090000Z",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": SIGNED[lent],
        "User-Agent": "bireme",
        **({"X-Amz-Security-Token": lent} if lent else {}),
    }


def around() -> Surroundings:
    nobody: Any = None
    place = Place("default", "hooks", "kafka", "orders")
    return Surroundings(place, FixedClock(NOW), nobody, nobody, nobody, nobody)


async def test_tls_is_used_though_none_is_written_and_a_token_is_signed_by_the_clock() -> None:
    async def keys() -> Keys:
        return Keys("AKIAEXAMPLE", "secret/key")

    options = kafka_msk.access(GIVEN, None, around(), keys)
    assert options["security_protocol"] == "SASL_SSL"
    assert options["ssl_context"].verify_mode == ssl.CERT_REQUIRED
    assert options["sasl_mechanism"] == "OAUTHBEARER"
    token = await options["sasl_oauth_token_provider"].token()
    assert SIGNED[""] in unfolded(token)
    lax = kafka_msk.access(GIVEN, tls.Tls(insecure_skip_verify=True), around(), keys)
    assert lax["ssl_context"].verify_mode == ssl.CERT_NONE


async def test_a_source_logs_in_with_the_engines_credentials_and_reads(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret/key")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    ours = certificates.authority(tmp_path)
    pair = certificates.signed(tmp_path, ours, "broker")
    bench.secrets.values["guard", "ca"] = ours.certificate.read_bytes()
    door = process.free_port()
    with process.running(kafka.server(tmp_path, advertised=door)) as broker:
        front = msk_front.Front(
            broker.port, lambda token: "kafka-cluster%3AConnect" in unfolded(token)
        )
        async with msk_front.running(front, door, str(pair.certificate), str(pair.key)):
            ways = kafka_msk.access(GIVEN, CA, replace(around(), secrets=bench.secrets))
            await send(door, ways)
            front.accepts, front.tokens = (lambda _: False), []
            given = config(door, "t", awsMskIamAuth={"region": "eu-west-1"})
            given["tls"] = {"caCertSecret": {"name": "guard", "key": "ca"}}
            await bench.apply({"kafka": {"orders": given}})

            async def refused() -> bool:
                return "SaslAuthenticationFailed" in (bench.bank.status()[0].error or "")

            await until(refused, "the broker refuses")
            front.accepts = lambda _: True
            (event,) = await bench.arrived(1)
            assert b'"body":7' in event.data
            await bench.bank.remove("default", "hooks")
    assert all("X-Amz-Credential=AKIAEXAMPLE%2F" in unfolded(one) for one in front.tokens)


async def send(port: int, ways: dict[str, Any]) -> None:
    """One message, by the same door."""
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", **ways)
    await admin.start()
    await admin.create_topics([NewTopic("t", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{port}", **ways)
    await producer.start()
    await producer.send_and_wait("t", b"7")
    await producer.stop()


async def test_an_engine_without_credentials_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    options = kafka_msk.access(GIVEN, None, around())
    with pytest.raises(KafkaError, match="the engine has no AWS credentials"):
        await options["sasl_oauth_token_provider"].token()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"awsMskIamAuth": {}}, "awsMskIamAuth.region is missing"),
        ({"awsMskIamAuth": {"region": "r"}, "sasl": "both"}, "two ways to log in"),
        ({"awsMskIamAuth": {"region": "r", "role": "x"}}, "role"),
    ],
)
def test_a_login_that_cannot_work_is_refused_by_lint(given: dict[str, Any], said: str) -> None:
    ref = {"name": "a", "key": "b"}
    if given.get("sasl"):
        given = {**given, "sasl": {"userSecret": ref, "passwordSecret": ref}}
    [(_, message)] = check.faults({"kafka": {"orders": config(1, "t", **given)}})
    assert said in message
