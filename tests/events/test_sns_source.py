"""The sns source: signatures with real keys, hosts pinned, and moto's SNS as a real sender."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from events import sns_signature
from events.sns_signature import Envelope, NotSigned
from tests.servers import moto, process

pytest.importorskip("cryptography")
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:us-east-1:123456789012:orders"
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem"
KEY = rsa.generate_private_key(65537, 2048)


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def message(**more: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": TOPIC,
        "Message": "hé\nllo",
        "Timestamp": "2026-11-26T12:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
        **more,
    }


def signed(**more: Any) -> Envelope:
    told = message(**more)
    names = [
        "Message",
        "MessageId",
        "Subject",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ]
    text = "".join(f"{name}\n{told[name]}\n" for name in names if told.get(name) is not None)
    algorithm = hashes.SHA256() if told["SignatureVersion"] == "2" else hashes.SHA1()
    made = KEY.sign(text.encode(), padding.PKCS1v15(), algorithm)
    told["Signature"] = base64.b64encode(made).decode()
    return msgspec.convert(told, Envelope)


async def ours(url: str) -> bytes:
    assert url == CERTIFICATE_URL
    return certificate()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"SignatureVersion": "1"},
        {"Subject": "news"},
        {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://x"},
        {"Type": "UnsubscribeConfirmation", "Token": "t", "SubscribeURL": "https://x"},
    ],
)
async def test_what_sns_signed_holds(more: dict[str, str]) -> None:
    await sns_signature.Verifier(ours).verify(signed(**more))


@pytest.mark.parametrize(
    "changed",
    [
        {"message": "other"},
        {"topic_arn": "arn:other"},
        {"subject": "added"},
        {"signature": "AAAA"},
        {"signature": "not base64!"},
        {"signature_version": "3"},
        {"signature_version": "1"},
        {"type": "SubscriptionConfirmation"},
    ],
)
async def test_what_was_changed_after_signing_does_not(changed: dict[str, str]) -> None:
    with pytest.raises(NotSigned):
        await sns_signature.Verifier(ours).verify(msgspec.structs.replace(signed(), **changed))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/x.pem",
        "https://evil.example/x.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
        "https://sns.us-east-1.amazonaws.com:8443/x.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/x.pem",
        "https://s3.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com/x.txt",
        "file:///etc/passwd",
        "",
    ],
)
async def test_certificates_come_from_sns_and_nowhere_else(url: str) -> None:
    async def never(url: str) -> bytes:
        raise AssertionError(f"asked for {url}")

    with pytest.raises(NotSigned, match="no address of SNS"):
        await sns_signature.Verifier(never).verify(signed(SigningCertURL=url))


@pytest.mark.parametrize(
    "host", ["sns.eu-central-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"]
)
def test_every_region_is_sns(host: str) -> None:
    assert sns_signature.is_of_sns(f"https://{host}/SimpleNotificationService-1.pem")


@pytest.fixture(scope="module")
def aws() -> Iterator[process.Server]:
    with moto.running() as server:
        yield server


async def apply(bench: Any, aws: process.Server | None, port: int, **config: Any) -> None:
    bench.secrets.values["aws", "access"] = bench.secrets.values["aws", "secret"] = b"test"
    account = moto.account(aws) if aws else {"region": "us-east-1"}
    webhook = {"endpoint": "/sns", "port": str(port)}
    event = {"topicArn": TOPIC, "webhook": webhook, **account, **config}
    await bench.apply({"sns": {"orders": event}})


async def test_a_topic_is_subscribed_and_its_notifications_are_events(
    bench: Any, aws: process.Server, free_port: Callable[[], int]
) -> None:
    port = free_port()
    async with moto.client(aws, "sns") as sns:
        topic = (await sns.create_topic(Name="orders"))["TopicArn"]
        webhook = {"endpoint": "/sns", "port": str(port), "url": f"http://127.0.0.1:{port}"}
        await apply(bench, aws, port, topicArn=topic, webhook=webhook)
        await sns.publish(TopicArn=topic, Message="hi", Subject="news")
        (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert list(payload) == ["header", "body"]
    assert (payload["body"]["Message"], payload["body"]["Subject"]) == ("hi", "news")


async def test_without_an_endpoint_of_its_own_only_what_amazon_signed_is_taken(
    bench: Any, free_port: Callable[[], int]
) -> None:
    port = free_port()
    await apply(bench, None, port)
    for told in (
        message(),
        message(SigningCertURL=f"http://127.0.0.1:{port}/health"),
        message(TopicArn="arn:other"),
        message(Type="SubscriptionConfirmation", Token="t"),
        {"Type": "Notification"},
        [],
    ):
        async with bench.client.post(f"http://127.0.0.1:{port}/sns", json=told) as answer:
            assert answer.status == 400
    rows = await bench.database.read("SELECT count(*) FROM events")
    assert rows[0][0] == 0


async def test_notifications_come_once_and_other_types_are_no_events(
    bench: Any, free_port: Callable[[], int]
) -> None:
    port = free_port()
    await apply(bench, None, port, validateSignature=False)
    for told in (message(), message(), message(Type="UnsubscribeConfirmation")):
        async with bench.client.post(f"http://127.0.0.1:{port}/sns", json=told) as answer:
            assert answer.status == 200
    assert len(await bench.events()) == 1


async def test_a_subscription_is_confirmed_by_the_api(
    bench: Any, aws: process.Server, free_port: Callable[[], int]
) -> None:
    port = free_port()
    async with moto.client(aws, "sns") as sns:
        topic = (await sns.create_topic(Name="confirmed"))["TopicArn"]
    await apply(bench, aws, port, topicArn=topic)
    told = message(Type="SubscriptionConfirmation", Token="t" * 64, TopicArn=topic)
    told["SubscribeURL"] = f"http://127.0.0.1:{free_port()}/never-asked"
    async with bench.client.post(f"http://127.0.0.1:{port}/sns", json=told) as answer:
        assert answer.status == 200
    del told["Token"]
    async with bench.client.post(f"http://127.0.0.1:{port}/sns", json=told) as answer:
        assert answer.status == 400
