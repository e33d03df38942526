"""Event source `hdfs`: an event when a file in a folder of HDFS is created, written, removed or renamed.

    spec:
      hdfs:
        orders:
          type: CREATE
          directory: /landing
          pathRegexp: "[.]csv$"
          addresses: ["http://namenode-1:9870", "http://namenode-2:9870"]
          hdfsUser: etl
          checkInterval: 1m

Payload: `{"name": path, "op": bits, "metadata": {…}}` with CREATE 1, WRITE 2, REMOVE 4, RENAME 8, CHMOD 16. HDFS is
asked by WebHDFS: `addresses` are those of the name nodes' HTTP servers, the first that answers is taken. Kerberos is
not supported.
"""

from collections.abc import Mapping
from urllib.parse import quote

from events import fields, rest
from events.folders import Folder, Seen, WatchPath, operations
from events.ports import BadSourceConfig, Publish, Surroundings
from events.registry import sources

_CHECK_S = 60.0


@sources.register("hdfs")
class HdfsSource:
    """Each change once, also over restarts. What lies there at the first start is no event."""

    class Config(WatchPath, frozen=True, kw_only=True):
        type: str = ""
        check_interval: str = ""
        addresses: tuple[str, ...] = ()
        hdfs_user: str = ""
        krb_c_cache_secret: fields.SecretRef | None = None
        krb_keytab_secret: fields.SecretRef | None = None
        krb_username: str = ""
        krb_realm: str = ""
        krb_config_config_map: fields.SecretRef | None = None
        krb_service_principal_name: str = ""
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.addresses:
            raise BadSourceConfig("addresses is missing: write e.g. [http://namenode:9870]")
        if config.krb_username or config.krb_c_cache_secret or config.krb_keytab_secret:
            raise BadSourceConfig("krb…: Kerberos is not supported; write hdfsUser")
        if not config.hdfs_user:
            raise BadSourceConfig("hdfsUser is missing: write the user to ask as")
        self._config = config
        self._interval_s = fields.seconds(config.check_interval, "checkInterval", _CHECK_S)
        self._folder = Folder(config, operations(config.type), surroundings, config.metadata)

    async def run(self, publish: Publish) -> None:
        async with rest.session() as session:
            nodes = [rest.Api(session, _url(address)) for address in self._config.addresses]
            await self._folder.watch(publish, lambda: self._look(nodes), self._interval_s)

    async def _look(self, nodes: list[rest.Api]) -> Mapping[str, Seen]:
        """Asks one name node after the other. Raises ApiError of the last."""
        path = "/webhdfs/v1" + quote(self._config.directory)
        query = {"op": "LISTSTATUS", "user.name": self._config.hdfs_user}
        for node in nodes[:-1]:
            try:
                return _files(await node.call("GET", path, query=query))
            except rest.ApiError:  # a standby, or away
                continue
        return _files(await nodes[-1].call("GET", path, query=query))


def _files(answer: dict[str, dict[str, list[dict[str, str]]]]) -> Mapping[str, Seen]:
    return {
        one["pathSuffix"]: Seen(
            int(one["length"]),
            int(one["modificationTime"]),
            int(one["permission"], 8),
            int(one.get("fileId", 0)),
        )
        for one in answer["FileStatuses"]["FileStatus"]
        if one["type"] == "FILE"
    }


def _url(address: str) -> str:
    return address if "://" in address else f"http://{address}"
