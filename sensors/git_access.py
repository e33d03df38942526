"""How `git` reaches a repository: by which protocol, as whom, at which address. Secrets go by environment and file."""

import asyncio
import base64
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from bireme.kit.reach import Reach, ReachRefused
from events import fields, rest
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.standing import Standing

_SSH = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]+):(?P<path>[^:].*)")
_PORTS = {"https": 443, "http": 80, "ssh": 22}
# What no repository needs for one file to be read, and every one of them has led to code being run.
_OFF = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    "http.followRedirects": "false",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    "uploadpack.packObjectsHook": "",
}


class Remote(fields.Fields, frozen=True, kw_only=True):
    """Argo's GitCreds."""

    username: fields.SecretRef | None = None
    password: fields.SecretRef | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """A repository's address and what git has to know to get there. `address` is what was checked, and is used."""

    url: str
    protocol: str
    host: str = ""
    port: int = 0
    address: str = ""
    authorization: str = ""
    key: str = ""
    trusts_any_host: bool = False

    @property
    def shown(self) -> str:
        return self.masked(self.url)

    def masked(self, text: str) -> str:
        """The text without what a URL may hold of a password, and without what we showed the server."""
        for hidden in _hidden(self.authorization):
            text = text.replace(hidden, "***")
        return re.sub(r"(://)[^/@\s]+@", r"\1***@", text)

    def environment(self, folder: Path) -> dict[str, str]:
        """All that git is given; it reads no configuration of the machine or the user, and asks nobody."""
        made = {
            "PATH": os.defpath + ":/usr/local/bin",
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": self.protocol,
            "LC_ALL": "C",
            **_configured({**_OFF, **self._config()}),
        }
        if self.protocol == "ssh":
            made["GIT_SSH_COMMAND"] = self._ssh(folder)
            made["GIT_SSH_VARIANT"] = "ssh"
        return made

    def _config(self) -> dict[str, str]:
        config = {}
        if self.authorization:
            config["http.extraHeader"] = f"Authorization: {self.authorization}"
        if self.protocol in ("http", "https") and self.address:
            shown = f"[{self.address}]" if ":" in self.address else self.address
            config["http.curloptResolve"] = f"{self.host}:{self.port}:{shown}"
        return config

    def _ssh(self, folder: Path) -> str:
        options = [
            "BatchMode=yes", "IdentitiesOnly=yes", "ForwardAgent=no", "PermitLocalCommand=no",
            f"HostName={self.address}", f"HostKeyAlias={self.host}",
            f"StrictHostKeyChecking={'no' if self.trusts_any_host else 'yes'}",
        ]  # fmt: skip
        if self.trusts_any_host:
            options.append("UserKnownHostsFile=/dev/null")
        elif Path("~/.ssh/known_hosts").expanduser().exists():
            options.append(f"UserKnownHostsFile={Path('~/.ssh/known_hosts').expanduser()}")
        words = ["ssh", "-F", "none", *(f"-o {option}" for option in options)]
        if self.key:
            file = folder / "key"
            file.touch(mode=0o600)
            file.write_text(self.key)
            words.append(f"-i {file}")
        return " ".join(words)


def _configured(config: dict[str, str]) -> dict[str, str]:
    made = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        made[f"GIT_CONFIG_KEY_{number}"] = key
        made[f"GIT_CONFIG_VALUE_{number}"] = value
    return made


async def access(
    url: str,
    reach: Reach,
    standing: Standing,
    *,
    login: tuple[str, str] | None = None,
    creds: Remote | None = None,
    key: fields.SecretRef | None = None,
    trusts_any_host: bool = False,
) -> Access:
    """`login` is a user and a password that were asked for; `creds` names theirs, and a URL may hold them.

    Raises BadSensor for an address git must not be given, TriggerRefused for one out of reach.
    """
    protocol, host, port = _parts(url)
    if protocol == "file":
        if not reach.everywhere:
            raise TriggerRefused(
                f"source.git.url is {url!r}: repositories of this machine are out of reach"
            )
        return Access(url, protocol)
    parts = urlsplit(url)
    authorization = rest.basic(*login) if login else _basic(creds, standing)
    if protocol != "ssh" and parts.username:
        authorization = authorization or rest.basic(parts.username, parts.password or "")
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return Access(
        url, protocol, host, port,
        address=await _address(host, port, reach),
        authorization=authorization,
        key=_key(key, standing),
        trusts_any_host=trusts_any_host,
    )  # fmt: skip


def _parts(url: str) -> tuple[str, str, int]:
    if url.startswith("-") or any(sign.isspace() for sign in url):
        raise BadSensor(f"source.git.url is {url!r}, which is no address")
    if url.startswith("/"):
        return "file", "", 0
    if "://" not in url and (short := _SSH.fullmatch(url)):
        return "ssh", short["host"], 22
    parts = urlsplit(url)
    if parts.scheme == "file":
        return "file", "", 0
    if parts.scheme not in _PORTS or not parts.hostname or parts.hostname.startswith("-"):
        raise BadSensor(f"source.git.url is {url!r}, expected https://, http:// or ssh://")
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


async def _address(host: str, port: int, reach: Reach) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TriggerFailed(f"source.git: {host} is not known: {error}") from error
    address = str(found[0][4][0])
    try:
        reach.check(address)
    except ReachRefused as error:
        raise TriggerRefused(f"source.git: {host}: {error}") from error
    return address


def _basic(creds: Remote | None, standing: Standing) -> str:
    if creds is None or creds.password is None:
        return ""
    user = _secret(creds.username, standing) if creds.username else "git"
    return rest.basic(user, _secret(creds.password, standing))


def _hidden(authorization: str) -> list[str]:
    """What an answer must not show again: the header's value, and the password in it, or a user who is one."""
    encoded = authorization.removeprefix("Basic ")
    user, _, password = base64.b64decode(encoded).decode().partition(":")
    return [one for one in (encoded, password or user) if one]


def _key(ref: fields.SecretRef | None, standing: Standing) -> str:
    return f"{_secret(ref, standing)}\n" if ref else ""


def _secret(ref: fields.SecretRef, standing: Standing) -> str:
    return fields.secret(standing.secrets, standing.place, ref).decode()
