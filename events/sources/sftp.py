"""Event source `sftp`: an event when a file in a folder of an SFTP server is created, written or removed.

    spec:
      sftp:
        orders:
          eventType: CREATE
          watchPathConfig: {directory: /upload, pathRegexp: "[.]csv$"}
          address: {name: sftp, key: address}
          username: {name: sftp, key: username}
          sshKeySecret: {name: sftp, key: privateKey}
          knownHosts: {name: sftp, key: knownHosts}
          pollIntervalDuration: 30s

Payload: `{"name": path, "op": bits, "metadata": {…}}` with CREATE 1, WRITE 2, REMOVE 4, CHMOD 16; a renamed file is
removed and created, for the protocol does not tell. The server's key must be in `knownHosts`, which is ours; without
it the first key seen is kept, and no other is trusted then.
"""

import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bireme.kit.errors import MissingExtra, ServiceError
from events import fields
from events.folders import Folder, Op, Seen, WatchPath, operations
from events.ports import BadSourceConfig, EventsError, Publish, Surroundings
from events.registry import sources

if TYPE_CHECKING:
    import asyncssh

_POLL_S = 10.0
_PORT = 22


class SftpUnavailable(EventsError, ServiceError):
    """The server does not let us look."""

    retriable = True
    blame = "service"


@sources.register("sftp")
class SftpSource:
    """Each change once, also over restarts. What lies there at the first start is no event."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        event_type: str = ""
        watch_path_config: WatchPath = WatchPath()
        address: fields.SecretRef | None = None
        username: fields.SecretRef | None = None
        password: fields.SecretRef | None = None
        ssh_key_secret: fields.SecretRef | None = None
        known_hosts: fields.SecretRef | None = None
        poll_interval_duration: str = ""
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if config.address is None or config.username is None:
            raise BadSourceConfig("address and username are needed, each the key of a secret")
        if config.password is None and config.ssh_key_secret is None:
            raise BadSourceConfig("password or sshKeySecret is needed")
        self._config = config
        self._around = surroundings
        self._interval_s = fields.seconds(
            config.poll_interval_duration, "pollIntervalDuration", _POLL_S
        )
        ops = operations(config.event_type)
        if ops is Op.RENAME:
            raise BadSourceConfig("eventType: SFTP does not tell of RENAME; write CREATE|REMOVE")
        self._folder = Folder(config.watch_path_config, ops, surroundings, config.metadata)

    async def run(self, publish: Publish) -> None:
        try:
            import asyncssh
        except ModuleNotFoundError as error:
            raise MissingExtra("sftp", "the event source sftp") from error
        host, port = self._address()
        try:
            async with (
                await self._connect(host, port) as connection,
                connection.start_sftp_client() as client,
            ):
                await self._folder.watch(publish, lambda: self._look(client), self._interval_s)
        except (OSError, asyncssh.Error) as error:
            words = str(error) or type(error).__name__
            raise SftpUnavailable(f"sftp://{host}:{port}: {words}") from error

    async def _connect(self, host: str, port: int) -> "asyncssh.SSHClientConnection":
        import asyncssh

        config = self._config
        credentials: dict[str, Any] = {"client_keys": None}
        if config.password is not None:
            credentials["password"] = self._secret(config.password).decode()
        if config.ssh_key_secret is not None:
            key = asyncssh.import_private_key(self._secret(config.ssh_key_secret))
            credentials["client_keys"] = [key]
        trusted = await self._trusted(host, port)
        assert config.username is not None  # checked
        return await asyncssh.connect(
            host,
            port,
            username=self._secret(config.username).decode(),
            known_hosts=trusted,
            config=None,
            agent_path=None,
            connect_timeout=15,
            keepalive_interval=30,
            **credentials,
        )

    async def _trusted(self, host: str, port: int) -> bytes:
        """Known hosts in OpenSSH's form. Without any the server's key is asked for once, and kept."""
        import asyncssh

        if self._config.known_hosts is not None:
            return self._secret(self._config.known_hosts)
        state, place = self._around.state, self._around.place
        pattern = host if port == _PORT else f"[{host}]:{port}"
        kept = await state.load(place)
        if kept is None or not kept.startswith(pattern.encode() + b" "):
            key = await asyncssh.get_server_host_key(host, port, config=None)
            if key is None:
                raise SftpUnavailable(f"sftp://{host}:{port} shows no key of its own")
            kept = pattern.encode() + b" " + key.export_public_key()
            await state.save(place, kept)
        return kept

    async def _look(self, client: "asyncssh.SFTPClient") -> Mapping[str, Seen]:
        directory = self._config.watch_path_config.directory
        found = {}
        # Asked in bytes, names come as bytes: they need be no UTF-8.
        async for entry in client.scandir(directory.encode()):
            about = entry.attrs
            if not stat.S_ISDIR(about.permissions or 0):
                raw = entry.filename
                name = raw if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")
                found[name] = Seen(about.size or 0, about.mtime or 0, about.permissions or 0)
        return found

    def _address(self) -> tuple[str, int]:
        assert self._config.address is not None  # checked
        text = self._secret(self._config.address).decode().strip()
        host, separator, port = text.rpartition(":")
        if not separator:
            return text, _PORT
        if not port.isdigit():
            raise BadSourceConfig(f"address: {text!r} is not host:port")
        return host.strip("[]"), int(port)

    def _secret(self, ref: fields.SecretRef) -> bytes:
        return fields.secret(self._around.secrets, self._around.place, ref)
