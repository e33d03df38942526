"""sftp against asyncssh's own server, hdfs against a fake of WebHDFS; the difference of two looks by itself."""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from events.folders import Op, Seen, difference
from tests.servers import process, webapi

asyncssh = pytest.importorskip("asyncssh")
LOOKS = st.dictionaries(
    st.sampled_from("abcd"), st.builds(Seen, st.integers(0, 2), st.integers(0, 2))
)


@settings(deadline=None)
@given(LOOKS, LOOKS)
def test_two_looks_show_what_came_went_and_changed(before: Any, now: Any) -> None:
    changes = {name: op for name, op, _ in difference(before, now)}
    assert {name for name, op in changes.items() if op is Op.CREATE} == now.keys() - before.keys()
    gone = {name for name, op in changes.items() if op in (Op.REMOVE, Op.RENAME)}
    assert gone == before.keys() - now.keys()
    written = {name for name, op in changes.items() if op is Op.WRITE}
    assert written == {name for name in now.keys() & before.keys() if now[name] != before[name]}


class Ssh:
    """A real SFTP server with the files under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = process.free_port()
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self._server: Any = None

    async def start(self) -> None:
        root = str(self.root)

        class Door(asyncssh.SSHServer):  # type: ignore[name-defined, misc, unused-ignore]
            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == ("etl", "s3cret")

        keys = asyncssh.import_authorized_keys(self.client_key.export_public_key().decode())
        self._server = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=Door,
            server_host_keys=[self.key],
            authorized_client_keys=keys,
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=root),
        )

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def known_hosts(self) -> bytes:
        return f"[127.0.0.1]:{self.port} ".encode() + self.key.export_public_key()


@pytest.fixture
async def ssh(tmp_path: Path) -> AsyncIterator[Ssh]:
    (tmp_path / "root" / "upload" / "folder").mkdir(parents=True)
    server = Ssh(tmp_path / "root")
    await server.start()
    yield server
    with contextlib.suppress(Exception):
        await server.stop()


@pytest.fixture
def apply(bench: Any, ssh: Ssh) -> Callable[..., Any]:
    known = {
        "address": f"127.0.0.1:{ssh.port}\n".encode(),
        "username": b"etl",
        "password": b"s3cret\n",
        "key": ssh.client_key.export_private_key(),
        "hosts": ssh.known_hosts(),
    }
    bench.secrets.values.update({("sftp", name): value for name, value in known.items()})

    async def with_(**config: Any) -> None:
        event = {
            "eventType": "CREATE|REMOVE",
            "watchPathConfig": {"directory": "/upload", "pathRegexp": "[.]csv$"},
            "address": {"name": "sftp", "key": "address"},
            "username": {"name": "sftp", "key": "username"},
            "password": {"name": "sftp", "key": "password"},
            "pollIntervalDuration": "50ms",
            **config,
        }
        await bench.apply({"sftp": {"orders": event}}, "folders")

    return with_


def told(events: Any) -> list[tuple[str, int]]:
    return [(one["name"], one["op"]) for one in (json.loads(event.data) for event in events)]


@pytest.mark.parametrize(
    "way", [{}, {"password": None, "sshKeySecret": {"name": "sftp", "key": "key"}}]
)
async def test_files_on_a_server_are_events_once_also_over_a_restart(
    bench: Any, ssh: Ssh, apply: Any, way: dict[str, Any]
) -> None:
    upload = ssh.root / "upload"
    (upload / "before.csv").write_text("x")
    await apply(**way)
    (upload / "a.csv").write_text("x")
    (upload / "other.txt").write_text("x")
    assert told(await bench.arrived(1)) == [("/upload/a.csv", 1)]
    await bench.bank.remove("default", "folders")
    (upload / "b.csv").write_text("x")
    os.remove(upload / "before.csv")
    await apply(**way)
    assert told(await bench.arrived(3))[1:] == [("/upload/b.csv", 1), ("/upload/before.csv", 4)]


async def test_a_name_on_a_server_that_is_no_text_does_not_stop_the_others(
    bench: Any, ssh: Ssh, apply: Any
) -> None:
    await apply()
    (ssh.root / "upload" / os.fsdecode(b"caf\xe9.csv")).write_text("x")
    assert told(await bench.arrived(1)) == [("/upload/caf\\xe9.csv", 1)]
    (ssh.root / "upload" / "a.csv").write_text("x")
    assert told(await bench.arrived(2))[1:] == [("/upload/a.csv", 1)]


@pytest.mark.parametrize("hosts", [{}, {"knownHosts": {"name": "sftp", "key": "hosts"}}])
async def test_another_servers_key_is_not_trusted(
    bench: Any, ssh: Ssh, apply: Any, hosts: dict[str, Any]
) -> None:
    await apply(**hosts)
    assert bench.bank.status()[0].state == "listening"
    await bench.bank.remove("default", "folders")
    await ssh.stop()
    ssh.key = asyncssh.generate_private_key("ssh-ed25519")
    await ssh.start()
    await apply(**hosts)
    (status,) = bench.bank.status()
    assert status.state == "waiting to restart"
    assert "Host key is not trusted" in status.error


async def test_a_wrong_password_is_said(bench: Any, ssh: Ssh, apply: Any) -> None:
    bench.secrets.values["sftp", "password"] = b"wrong"
    await apply()
    (status,) = bench.bank.status()
    assert status.state == "waiting to restart"
    assert "Permission denied" in status.error
    assert "wrong" not in status.error.replace("wrong password", "")


class WebHdfs(webapi.WebApi):
    """The LISTSTATUS of a name node's WebHDFS, for one folder."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, int] = {}
        self.is_standby = False

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if self.is_standby:
            words = {"RemoteException": {"exception": "StandbyException", "message": "standby"}}
            return web.json_response(words, status=403)
        assert request.path == "/webhdfs/v1/landing"
        assert request.query["op"] == "LISTSTATUS"
        assert request.query["user.name"] == "etl"
        found = [
            {
                "pathSuffix": name, "length": size, "modificationTime": 1780000000000 + size,
                "permission": "644", "type": "FILE", "fileId": 16000 + len(name),
            }
            for name, size in self.files.items()
        ]  # fmt: skip
        folder = {"pathSuffix": "x.csv", "type": "DIRECTORY"}
        return web.json_response({"FileStatuses": {"FileStatus": [*found, folder]}})


async def test_files_in_hdfs_are_events_by_whichever_name_node_answers(bench: Any) -> None:
    async with webapi.running(WebHdfs()) as one, webapi.running(WebHdfs()) as other:
        assert isinstance(one, WebHdfs)
        assert isinstance(other, WebHdfs)
        one.files = other.files = {"before.csv": 1}
        one.is_standby = True
        config = {
            "type": "CREATE|WRITE",
            "directory": "/landing",
            "pathRegexp": "[.]csv$",
            "addresses": [one.url, other.url],
            "hdfsUser": "etl",
            "checkInterval": "50ms",
        }
        await bench.apply({"hdfs": {"orders": config}})
        one.files |= {"a.csv": 1, "b.txt": 1}
        assert told(await bench.arrived(1)) == [("/landing/a.csv", 1)]
        one.is_standby, other.is_away = False, True
        one.files["a.csv"] = 2
        assert told(await bench.arrived(2))[1] == ("/landing/a.csv", 2)
