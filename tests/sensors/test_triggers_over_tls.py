"""Triggers at real servers that ask for TLS, for a client's certificate and for a password."""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from sensors.errors import TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, ref
from tests.servers import apache_kafka, certificates, process
from tests.servers import nats as nats_servers


class Keys(NamedTuple):
    """What a test needs of an authority and of one that nobody knows."""

    folder: Path
    authority: certificates.Pair
    stranger: certificates.Pair
    server: certificates.Pair
    client: certificates.Pair

    def secrets(self, **more: str) -> dict[str, str]:
        certificate, key = self.client.texts
        known = {"ca": self.authority.texts[0], "wrong": self.stranger.texts[0]}
        return {**known, "certificate": certificate, "key": key, **more}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder, elsewhere = tmp_path_factory.mktemp("keys"), tmp_path_factory.mktemp("stranger")
    authority = certificates.authority(folder)
    signed = [certificates.signed(folder, authority, name) for name in ("server", "client")]
    return Keys(folder, authority, certificates.authority(elsewhere), *signed)


@pytest.fixture(scope="module")
def nats(keys: Keys) -> Iterator[process.Server]:
    options = (
        "--tlsverify", "--tlscert", str(keys.server.certificate), "--tlskey", str(keys.server.key),
        "--tlscacert", str(keys.authority.certificate), "--user", "me", "--pass", "right-password",
    )  # fmt: skip
    with nats_servers.running(*options) as found:
        yield found


_SHOWN = {"clientCertSecret": ref("certificate"), "clientKeySecret": ref("key")}
_BASIC = {"basic": {"username": ref("user"), "password": ref("password")}}


async def published(nats: process.Server, keys: Keys, **block: Any) -> str:
    """The error, empty if there is none."""
    secrets = keys.secrets(user="me", password="right-password", bad="wrong-password")
    url = f"nats://127.0.0.1:{nats.port}"
    async with Actor("nats", **secrets) as actor:
        try:
            await actor.act(actor.firing(actor.prepared({}, url=url, subject="a", **block)))
        except TriggerFailed as error:
            return str(error)
    return ""


async def test_nats_knows_the_server_and_is_known(nats: process.Server, keys: Keys) -> None:
    tls = {"caCertSecret": ref("ca"), **_SHOWN}
    assert await published(nats, keys, tls=tls, auth=_BASIC) == ""


_TLS = {"caCertSecret": ref("ca"), **_SHOWN}
_TRUST = "certificate verify failed: .*; {}.tls.caCertSecret has to hold"
NATS_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an authority that is not the server's": (
        {"tls": {"caCertSecret": ref("wrong"), **_SHOWN}, "auth": _BASIC}, _TRUST.format("nats"),
    ),
    "no authority": ({"tls": _SHOWN, "auth": _BASIC}, _TRUST.format("nats")),
    "no certificate of a client": (
        {"tls": {"caCertSecret": ref("ca")}, "auth": _BASIC}, "want nats.tls.clientCertSecret",
    ),
    "a wrong password": (
        {"tls": _TLS, "auth": {"basic": {"username": ref("user"), "password": ref("bad")}}},
        "Authorization Violation.*; check the secrets of nats.auth",
    ),
    "a token instead": (
        {"tls": _TLS, "auth": {"token": ref("bad")}}, "Authorization Violation.*; check the secrets of nats.auth",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NATS_FAULTS)
async def test_nats_says_what_is_wrong(nats: process.Server, keys: Keys, name: str) -> None:
    block, words = NATS_FAULTS[name]
    said = await published(nats, keys, **block)
    assert re.search(f"nats: a at nats://127.0.0.1.*{words}", said), said
    assert "-password" not in said


@pytest.fixture(scope="module")
def kafka(keys: Keys) -> Iterator[process.Server]:
    both = keys.folder / "both.pem"
    both.write_text(keys.server.key.read_text() + keys.server.certificate.read_text())
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    users = 'username="somebody" password="right-password" user_somebody="right-password"'
    settings = (
        "listeners=SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name=SASL_SSL", "sasl.mechanism.inter.broker.protocol=PLAIN",
        "sasl.enabled.mechanisms=PLAIN", "ssl.endpoint.identification.algorithm=",
        f"listener.name.sasl_ssl.plain.sasl.jaas.config={login} {users};",
        "ssl.keystore.type=PEM", f"ssl.keystore.location={both}",
        "ssl.truststore.type=PEM", f"ssl.truststore.location={keys.authority.certificate}",
    )  # fmt: skip
    with apache_kafka.running(*settings) as server:
        yield server


async def test_kafka_takes_a_record_or_says_why_not(kafka: process.Server, keys: Keys) -> None:
    secrets = keys.secrets(user="somebody", password="right-password", bad="wrong-password")
    where = {"url": f"127.0.0.1:{kafka.port}", "topic": "a"}
    right = {"mechanism": "PLAIN", "userSecret": ref("user"), "passwordSecret": ref("password")}
    wrong = {**right, "passwordSecret": ref("bad")}
    known, unknown = {"caCertSecret": ref("ca")}, {"caCertSecret": ref("wrong")}
    async with Actor("kafka", **secrets) as actor:
        done = await actor.fire({}, **where, tls=known, sasl=right)
        assert done.note == "partition 0, offset 0"
        with pytest.raises(TriggerFailed, match=_TRUST.format("kafka")):
            await actor.fire({}, **where, tls=unknown, sasl=right)
        with pytest.raises(TriggerFailed, match=r"check the secrets of kafka\.sasl") as failure:
            await actor.fire({}, **where, tls=known, sasl=wrong)
    assert "wrong-password" not in str(failure.value)


class Post:
    """A mail server that speaks TLS once asked to, and wants a password then."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content.decode())
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, kind: str, data: Any) -> Any:
        good = isinstance(data, LoginPassword) and data.password == b"right-password"
        return AuthResult(success=good, handled=False)


async def test_mail_goes_over_tls_to_a_server_that_is_known(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(keys.server.certificate, keys.server.key)
    post, port = Post(), process.free_port()
    controller = Controller(
        post, hostname="127.0.0.1", port=port, authenticator=post.authenticate,
        tls_context=context, require_starttls=True, auth_require_tls=True,
    )  # fmt: skip
    block = {
        "host": "127.0.0.1", "port": port, "from": "b@example.com", "to": ["one@example.com"],
        "subject": "s", "body": "hello", "username": "me", "smtpPassword": ref("password"),
    }  # fmt: skip
    controller.start()
    try:
        async with Actor("email", password="right-password", bad="wrong-password") as actor:
            with pytest.raises(TriggerFailed, match=r"verify failed.* that SSL_CERT_FILE names"):
                await actor.fire({}, **block)
            monkeypatch.setenv("SSL_CERT_FILE", str(keys.authority.certificate))
            await actor.fire({}, **block)
            with pytest.raises(TriggerRefused, match="does not accept me: code 535"):
                await actor.fire({}, **{**block, "smtpPassword": ref("bad")})
    finally:
        controller.stop()
    assert len(post.mails) == 1
