"""What a trigger shows and trusts: a real TLS server that wants to know who asks."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bireme.kit.clock import FixedClock
from bireme.kit.errors import NotFound
from bireme.kit.ids import CountedIds
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin
from sensors.surroundings import Surroundings
from sensors.triggers.http import HttpTrigger
from tests.servers import certificates


class Kept:
    def __init__(self, **values: str) -> None:
        self.values = values

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        if key not in self.values:
            raise NotFound(f'secret "{name}" key "{key}" not found')
        return self.values[key].encode()

    def config(self, namespace: str, name: str, key: str) -> str:
        return self.secret(namespace, name, key).decode()


def ref(key: str) -> dict[str, str]:
    return {"name": "s", "key": key}


class Place:
    """A server that asks clients for a certificate, and the pairs it knows."""

    def __init__(self, folder: Path) -> None:
        self.authority = certificates.authority(folder)
        self.server = certificates.signed(folder, self.authority, "server")
        self.client = certificates.signed(folder, self.authority, "client")
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(made.authority.certificate)
    )
    context.load_cert_chain(made.server.certificate, made.server.key)
    context.verify_mode = ssl.CERT_OPTIONAL

    async def who(request: web.Request) -> web.Response:
        assert request.transport is not None
        shown = request.transport.get_extra_info("peercert") or {}
        subject = dict(pair[0] for pair in shown.get("subject", ()))
        return web.Response(status=200 if subject.get("commonName") == "client" else 401)

    runner = web.ServerRunner(web.Server(who))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def sent(place: Place, secrets: Kept, tls: dict[str, Any] | None) -> int:
    workflows: Any = None
    trigger = HttpTrigger(Surroundings(FixedClock(), CountedIds(), workflows, secrets))
    definition = {"template": {"http": {"url": place.url, "tls": tls}}}
    spec = trigger.prepare(definition, {}, Origin("default", "s", "t", 0.0))
    firing = Firing(id="f", namespace="default", sensor="s", trigger="t", kind="http", spec=spec)
    try:
        return (await trigger.fire(firing)).status
    finally:
        await trigger.close()


async def test_a_server_is_trusted_by_its_authority_and_sees_the_client(place: Place) -> None:
    certificate, key = place.client.texts
    secrets = Kept(ca=place.authority.texts[0], cert=certificate, key=key)
    tls = {"caCertSecret": ref("ca")}
    assert await sent(place, secrets, tls) == 401
    both = {"clientCertSecret": ref("cert"), "clientKeySecret": ref("key")}
    assert await sent(place, secrets, {**tls, **both}) == 200


async def test_an_unknown_server_is_not_trusted_unless_asked_to(place: Place) -> None:
    with pytest.raises(TriggerFailed, match="certificate verify failed"):
        await sent(place, Kept(), None)
    assert await sent(place, Kept(), {"insecureSkipVerify": True}) == 401


async def test_what_is_no_certificate_is_said_without_showing_it(place: Place) -> None:
    secrets = Kept(ca="hunter2", cert="hunter2", key="hunter2")
    with pytest.raises(TriggerRefused, match="caCertSecret is no PEM certificate") as failure:
        await sent(place, secrets, {"caCertSecret": ref("ca")})
    assert "hunter2" not in str(failure.value)
    pair = {"clientCertSecret": ref("cert"), "clientKeySecret": ref("key")}
    with pytest.raises(TriggerRefused, match="are not a certificate"):
        await sent(place, secrets, pair)
    with pytest.raises(BadSensor, match="go together"):
        await sent(place, secrets, {"clientCertSecret": ref("cert")})


def test_a_missing_secret_is_worth_a_retry_and_named() -> None:
    credentials = Credentials(Kept(), "default", "http")
    with pytest.raises(TriggerFailed, match=r'http\.basicAuth\.password: secret "s" key "p" not'):
        credentials.basic({"password": ref("p")})
    with pytest.raises(TriggerRefused, match="needs the name and key of a secret"):
        credentials.text({"name": "s"}, "slackToken")


def test_headers_come_from_secrets_and_config_maps() -> None:
    credentials = Credentials(Kept(a="1\n", b="2"), "default", "http")
    items = [
        {"name": "A", "valueFrom": {"secretKeyRef": ref("a")}},
        {"name": "B", "valueFrom": {"configMapKeyRef": ref("b")}},
    ]
    assert credentials.headers(items) == {"A": "1", "B": "2"}
    with pytest.raises(TriggerRefused, match="secureHeaders: 'C' needs valueFrom"):
        credentials.headers([{"name": "C"}])
    both = {"username": ref("a"), "password": ref("b")}
    assert credentials.basic(both) == {"Authorization": "Basic MToy"}
    assert credentials.basic(None) == {}
