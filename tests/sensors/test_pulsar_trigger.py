"""The pulsar trigger by the library's own client, against a fake of the broker, which is too large to fetch."""

import contextlib
import json
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.reach import PUBLIC
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, payload, ref
from tests.servers import athenz, certificates, pulsar, webapi

ORDERS = "persistent://public/default/orders"
TLS = {"clientCertSecret": ref("cert"), "clientKeySecret": ref("key")}


@pytest.fixture
async def broker() -> AsyncIterator[pulsar.Pulsar]:
    async with pulsar.running(pulsar.Pulsar()) as fake:
        yield fake


def block(broker: pulsar.Pulsar, **more: Any) -> dict[str, Any]:
    return {"url": broker.url, "topic": "orders", "payload": payload(), **more}


async def test_a_topic_gets_one_message_a_firing_by_one_client(
    broker: pulsar.Pulsar, make_event: Any
) -> None:
    broker.token = "pulsar-token"
    async with Actor("pulsar", token="pulsar-token\n") as actor:
        for id in ("f1", "f2"):
            spec = block(broker, authTokenSecret=ref("token"))
            receipt = await actor.act(
                actor.firing(actor.prepared({"a": make_event("e1")}, **spec), id)
            )
    assert receipt.name == "orders"
    assert broker.produced == [(ORDERS, b'{"n":1}', {"idempotency-key": id}) for id in ("f1", "f2")]
    assert broker.logins == [("token", "pulsar-token")]


@pytest.mark.xfail(
    raises=TriggerFailed,
    strict=True,
    reason="the library cannot sign for Athenz (3.9 to 3.13): told of in docs/triggers.md",
)
async def test_athenz_gives_a_role_token_for_the_services_key(
    broker: pulsar.Pulsar, make_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.triggers.pulsar._TIMEOUT_S", 2)
    broker.token = athenz.ROLE_TOKEN
    zts = athenz.Zts()
    async with webapi.running(zts), Actor("pulsar", pem=zts.pem) as actor:
        more = {"authAthenzParams": zts.params, "authAthenzSecret": ref("pem")}
        await actor.fire({"a": make_event("e1")}, **block(broker, **more))
    assert broker.logins == [("athenz", athenz.ROLE_TOKEN)]
    assert (zts.asked[0]["d"], zts.asked[0]["n"]) == ("shop", "orders")
    assert len(broker.produced) == 1


async def test_athenz_is_asked_by_the_library_with_what_the_fields_say(
    broker: pulsar.Pulsar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the library goes today: it is given its options, reads the key, and asks the token service."""
    from pulsar import AuthenticationAthenz

    monkeypatch.setattr("sensors.triggers.pulsar._TIMEOUT_S", 2)
    seen: list[tuple[dict[str, str], str, int]] = []

    def noted(text: str) -> AuthenticationAthenz:
        params = json.loads(text)
        file = Path(params["privateKey"].removeprefix("file://"))
        seen.append((params, file.read_text(), file.stat().st_mode & 0o777))
        return AuthenticationAthenz(text)

    monkeypatch.setattr("pulsar.AuthenticationAthenz", noted)
    zts = athenz.Zts()
    async with webapi.running(zts), Actor("pulsar", pem=zts.pem) as actor:
        more = {"authAthenzParams": zts.params, "authAthenzSecret": ref("pem")}
        with contextlib.suppress(TriggerFailed):
            await actor.fire({}, **block(broker, **more))
    [(params, key, mode)] = seen
    where = params.pop("privateKey")
    assert params == zts.params
    assert (key, mode) == (zts.pem.removesuffix("\n"), 0o600)
    assert not os.path.exists(where.removeprefix("file://")), "the key outlives the client"  # noqa: ASYNC240
    assert ("GET", "/zts/v1/domain/pulsar/token") in zts.log


@pytest.fixture
def papers(tmp_path: Path) -> tuple[certificates.Pair, certificates.Pair, certificates.Pair]:
    """Of the authority, of the broker, of a client."""
    authority = certificates.authority(tmp_path)
    named = (certificates.signed(tmp_path, authority, name) for name in ("broker", "client"))
    return (authority, *named)  # type: ignore[return-value]


@pytest.fixture
async def guarded(papers: Any) -> AsyncIterator[pulsar.Pulsar]:
    """A broker that lets nobody in without a certificate of the authority."""
    authority, own, _ = papers
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(own.certificate, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    async with pulsar.running(pulsar.Pulsar(tls=context)) as fake:
        yield fake


def secrets(papers: Any) -> dict[str, str]:
    authority, _, client = papers
    certificate, key = client.texts
    return {"ca": authority.texts[0], "cert": certificate, "key": key}


async def test_a_client_shows_its_certificate_and_trusts_the_authority(
    guarded: pulsar.Pulsar, papers: Any, make_event: Any
) -> None:
    async with Actor("pulsar", **secrets(papers)) as actor:
        more = {"tls": {**TLS, "caCertSecret": ref("ca")}}
        for id in ("f1", "f2"):
            await actor.fire({"a": make_event("e1")}, id=id, **block(guarded, **more))
            guarded.hang_up()  # the certificates are read again when it connects again
    assert [method for method, _ in guarded.logins] == ["tls", "tls"]
    assert len(guarded.produced) == 2


TRUST: dict[str, tuple[dict[str, Any], bool]] = {
    "nobody vouches": ({"tls": TLS}, False),
    "whoever it is": ({"tls": {**TLS, "insecureSkipVerify": True}}, True),
    "whoever it is, by the older field": ({"tls": TLS, "tlsAllowInsecureConnection": True}, True),
    "no certificate of ours": ({"tlsTrustCertsSecret": ref("ca")}, False),
}


@pytest.mark.parametrize("name", TRUST)
async def test_who_is_trusted_and_who_comes_in_is_what_the_fields_say(
    guarded: pulsar.Pulsar, papers: Any, make_event: Any, monkeypatch: Any, name: str
) -> None:
    monkeypatch.setattr("sensors.triggers.pulsar._TIMEOUT_S", 2)
    more, comes_in = TRUST[name]
    async with Actor("pulsar", **secrets(papers)) as actor:
        if comes_in:
            await actor.fire({"a": make_event("e1")}, **block(guarded, **more))
        else:
            with pytest.raises(TriggerFailed, match="pulsar: topic orders"):
                await actor.fire({"a": make_event("e1")}, **block(guarded, **more))
    assert len(guarded.produced) == comes_in


async def test_a_server_reads_no_key_file_of_its_own_and_asks_nobody_inside() -> None:
    params = {
        "providerDomain": "p",
        "ztsUrl": "http://127.0.0.1:1",
        "privateKey": "file:///etc/key",
    }
    given = {"url": "pulsar://8.8.8.8:6650", "topic": "t", "payload": payload()}
    async with Actor("pulsar", PUBLIC, pem="the-key-itself") as actor:
        spec = actor.prepared({}, **given, authAthenzParams=params)
        with pytest.raises(TriggerRefused, match=r"privateKey is a file of this machine"):
            await actor.act(actor.firing(spec))
        del params["privateKey"]
        more = {"authAthenzParams": params, "authAthenzSecret": ref("pem")}
        with pytest.raises(TriggerRefused, match="private address"):
            await actor.act(actor.firing(actor.prepared({}, **given, **more)))


async def test_a_secret_that_is_missing_is_worth_a_retry(broker: pulsar.Pulsar) -> None:
    async with Actor("pulsar") as actor:
        spec = actor.prepared({}, **block(broker, authTokenSecret=ref("token")))
        with pytest.raises(TriggerFailed, match='key "token" not found'):
            await actor.act(actor.firing(spec))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no topic": ({"topic": ""}, "pulsar.topic is missing"),
    "no url of Pulsar": ({"url": "broker:6650"}, "pulsar.url is 'broker:6650'"),
    "a service without its key": (
        {"authAthenzParams": {"providerDomain": "p", "ztsUrl": "http://z"}},
        "pulsar.authAthenzSecret is missing",
    ),
    "a key without its service": ({"authAthenzSecret": ref("x")}, "which is missing"),
    "half a certificate": ({"tls": {"clientCertSecret": ref("x")}}, "go together"),
    "a token and a certificate": ({"authTokenSecret": ref("t"), "tls": TLS}, "one says who we are"),
    "a word too many in tls": ({"tls": {"clientCert": ref("x")}}, "unknown field"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_sent_is_refused(broker: pulsar.Pulsar, name: str) -> None:
    more, message = REFUSED[name]
    with pytest.raises(BadSensor) as failure:
        Actor("pulsar").prepared({}, **block(broker, **more))
    assert message in str(failure.value)
