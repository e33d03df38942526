"""Source `nats`, plain and JetStream, against a real server: payloads, acknowledgement, servers that go and come."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.events.stream_bench import AwayForAWhile, again, bodies, fails, payload
from tests.servers import nats, process
from tests.servers.waiting import until


@pytest.fixture
def nats_server() -> Iterator[process.Server]:
    with nats.running() as server:
        yield server


async def nats_send(port: int, subject: str, *values: bytes, **options: Any) -> None:
    import nats as library

    client = await library.connect(f"nats://127.0.0.1:{port}", **options)
    for value in values:
        await client.publish(subject, value, headers={"Trace": "t1"})
    await client.flush()
    await client.close()


async def stream_made(port: int) -> None:
    import nats as library

    client = await library.connect(f"nats://127.0.0.1:{port}")
    await client.jetstream().add_stream(name="ORDERS", subjects=["orders.*"])
    await client.close()


def nats_config(port: int, **more: Any) -> dict[str, Any]:
    url = f"nats://127.0.0.1:{port}"
    return {"nats": {"orders": {"url": url, "subject": "orders.*", "jsonBody": True, **more}}}


async def test_a_nats_message_is_an_event(bench: Any, nats_server: process.Server) -> None:
    await bench.apply(nats_config(nats_server.port, metadata={"m": "x"}))
    await nats_send(nats_server.port, "orders.new", b'{"n": 1}')
    (event,) = await bench.arrived(1)
    assert payload(event) == {
        "subject": "orders.new",
        "body": {"n": 1},
        "header": {"Trace": ["t1"]},
        "metadata": {"m": "x"},
    }


async def test_a_nats_body_without_json_is_base64(bench: Any, nats_server: process.Server) -> None:
    await bench.apply(nats_config(nats_server.port, jsonBody=False))
    await nats_send(nats_server.port, "orders.new", b"\xff")
    assert bodies(await bench.arrived(1)) == [base64.b64encode(b"\xff").decode()]


async def test_nats_messages_wait_while_the_log_is_away(
    bench: Any, nats_server: process.Server
) -> None:
    away = AwayForAWhile(bench)
    await bench.apply(nats_config(nats_server.port))
    await nats_send(nats_server.port, "orders.new", *(b"%d" % n for n in range(20)))
    assert bodies(await bench.arrived(20)) == list(range(20))
    assert away.refused == 2


async def test_a_nats_server_that_goes_is_said_and_found_again(
    bench: Any, nats_server: process.Server
) -> None:
    await bench.apply(nats_config(nats_server.port))
    nats_server.kill()
    assert str(nats_server.port) in await fails(bench)
    nats_server.start()
    await again(bench)
    await nats_send(nats_server.port, "orders.new", b"1")
    assert bodies(await bench.arrived(1)) == [1]


async def test_nats_wants_its_token(bench: Any) -> None:
    with nats.running("--auth", "t0ken") as server:
        await bench.apply(nats_config(server.port))
        assert "uthorization" in await fails(bench)
        bench.secrets.values["nats", "token"] = b"t0ken\n"
        auth = {"token": {"name": "nats", "key": "token"}}
        await bench.apply(nats_config(server.port, auth=auth))
        await nats_send(server.port, "orders.new", b"1", token="t0ken")
        assert bodies(await bench.arrived(1)) == [1]


async def test_what_is_said_of_a_nats_server_shows_nobodys_password(bench: Any) -> None:
    port = process.free_port()
    url = f"nats://us:hunter2@127.0.0.1:{port}"
    await bench.apply(nats_config(port, url=url))
    said = await fails(bench)
    assert f"nats://127.0.0.1:{port}: " in said
    assert "hunter2" not in said


async def test_a_jetstream_message_is_one_event_though_nobody_listened_and_servers_died(
    bench: Any, nats_server: process.Server
) -> None:
    await stream_made(nats_server.port)
    spec = nats_config(nats_server.port, jetstream={"oldest": True})
    await nats_send(nats_server.port, "orders.new", *(b"%d" % n for n in range(10)))
    await bench.apply(spec)
    await bench.arrived(10)
    await bench.bank.remove("default", "hooks")
    await nats_send(nats_server.port, "orders.new", *(b"%d" % n for n in range(10, 20)))
    await bench.apply(spec)
    await bench.arrived(20)
    nats_server.kill()
    nats_server.start()
    await nats_send(nats_server.port, "orders.new", *(b"%d" % n for n in range(20, 30)))
    assert bodies(await bench.arrived(30)) == list(range(30))


async def test_jetstream_delivers_again_what_was_not_acknowledged_and_it_stays_one_event(
    bench: Any, nats_server: process.Server
) -> None:
    """The acknowledgement is lost: the consumer is made anew and begins at the oldest."""
    await stream_made(nats_server.port)
    await nats_send(nats_server.port, "orders.new", b"1", b"2")
    await bench.apply(nats_config(nats_server.port, jetstream={"oldest": True, "durable": "a"}))
    await bench.arrived(2)
    await bench.apply(nats_config(nats_server.port, jetstream={"oldest": True, "durable": "b"}))
    await until(lambda: bench.bank.status()[0].duplicates == 2)
    assert bodies(await bench.events()) == [1, 2]


async def test_a_user_of_an_operators_account_listens_with_a_creds_file(bench: Any) -> None:
    pytest.importorskip("nkeys")
    from nats.aio.client import RawCredentials

    from tests.servers import nats_operator

    operator = nats_operator.Operator()
    bench.secrets.values["nats", "creds"] = operator.creds().encode()
    with nats_operator.running(operator) as server:
        auth = {"credential": {"name": "nats", "key": "creds"}}
        await bench.apply(nats_config(server.port, auth=auth))
        sender = RawCredentials(operator.creds())
        await nats_send(server.port, "orders.new", b"1", user_credentials=sender)
        assert bodies(await bench.arrived(1)) == [1]


async def test_a_secret_that_is_no_creds_file_is_told_and_holds_nobody_up(bench: Any) -> None:
    pytest.importorskip("nkeys")
    bench.secrets.values["nats", "creds"] = b"hunter2"
    auth = {"credential": {"name": "nats", "key": "creds"}}
    await bench.apply(nats_config(process.free_port(), auth=auth))
    told = await fails(bench)
    assert "auth.credential: it is no creds file" in told
    assert "hunter2" not in told
