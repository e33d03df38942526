"""The nats trigger's `auth.nkey` and `auth.credential`, on real servers that ask for them."""

from collections.abc import Iterator
from typing import Any

import pytest

from sensors.errors import TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, payload, ref
from tests.servers import nats as servers
from tests.servers import process

nkeys = pytest.importorskip("nkeys")
from tests.servers import nats_operator  # noqa: E402 (needs nkeys)

CREDENTIAL = {"credential": ref("creds")}


@pytest.fixture(scope="module")
def operator() -> nats_operator.Operator:
    return nats_operator.Operator()


@pytest.fixture(scope="module")
def server(operator: nats_operator.Operator) -> Iterator[process.Server]:
    with nats_operator.running(operator) as found:
        yield found


def url(server: process.Server) -> str:
    return f"nats://127.0.0.1:{server.port}"


async def test_a_user_of_an_operators_account_publishes_with_a_creds_file(
    server: process.Server, operator: nats_operator.Operator, make_event: Any
) -> None:
    import nats
    from nats.aio.client import RawCredentials

    other = await nats.connect(url(server), user_credentials=RawCredentials(operator.creds()))
    seen = await other.subscribe("builds.>")
    await other.flush()
    # As an editor of another system leaves it.
    creds = operator.creds().replace("\n", "\r\n")
    block = {"url": url(server), "subject": "builds.done", "auth": CREDENTIAL}
    async with Actor("nats", creds=creds) as actor:
        await actor.fire({"a": make_event("e1")}, payload=payload(), **block)
    assert (await seen.next_msg(5)).data == b'{"n":1}'
    await other.close()


@pytest.mark.parametrize("auth", [{}, CREDENTIAL])
async def test_without_a_user_the_server_knows_it_is_refused_by_the_server(
    server: process.Server, operator: nats_operator.Operator, auth: dict[str, Any]
) -> None:
    creds = operator.creds(of_stranger=True)
    async with Actor("nats", creds=creds) as actor:
        with pytest.raises(TriggerFailed, match=r"(?i)authorization") as failure:
            await actor.fire({}, url=url(server), subject="builds.done", auth=auth)
    assert "SU" not in str(failure.value)


NO_CREDS = {
    "nothing of it": "hunter2",
    "a JWT alone": "-----BEGIN NATS USER JWT-----\nhunter2\n------END NATS USER JWT------\n",
    "a seed that is none": nats_operator._CREDS.format("a.b.c", "SUhunter2"),
}


@pytest.mark.parametrize("name", NO_CREDS)
async def test_a_secret_without_credentials_is_refused_at_once_and_not_shown(name: str) -> None:
    async with Actor("nats", creds=NO_CREDS[name]) as actor:
        with pytest.raises(TriggerRefused, match=r"nats\.auth: it") as failure:
            await actor.fire({}, url="nats://127.0.0.1:1", subject="a", auth=CREDENTIAL)
    assert "hunter2" not in str(failure.value)


async def test_an_nkey_publishes_by_its_seed(make_event: Any) -> None:
    user = nats_operator.Key(nkeys.PREFIX_BYTE_USER)
    with process.scratch("nkey") as folder:
        config = folder / "nkey.conf"
        config.write_text(f"authorization: {{users: [{{nkey: {user.public}}}]}}\n")
        with servers.running("-c", str(config)) as found:
            block = {"url": url(found), "subject": "a", "auth": {"nkey": ref("seed")}}
            async with Actor("nats", seed=user.seed + "\n") as actor:
                assert (await actor.fire({}, **block)).name == "a"
            stranger = nats_operator.Key(nkeys.PREFIX_BYTE_USER)
            async with Actor("nats", seed=stranger.seed) as actor:
                with pytest.raises(TriggerFailed, match=r"(?i)authorization"):
                    await actor.fire({}, **block)
    async with Actor("nats", seed="SUhunter2") as actor:
        with pytest.raises(TriggerRefused, match="its seed is none"):
            await actor.fire({}, **block)
