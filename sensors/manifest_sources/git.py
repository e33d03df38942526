"""`source.git`: a file of a repository.

    source:
      git:
        url: https://github.com/argoproj/argo-workflows.git
        branch: main
        filePath: examples/hello-world.yaml
        cloneDirectory: /git/argo

Who we are: `creds`, `sshKeySecret`, or the installation of a GitHub App:

        githubApp: {privateKey: {name: app, key: pem}, appID: 42, installationID: 7}

Each reading then asks GitHub for a token of its own, at github.com or at the server the repository is on.

`ref` wins over `tag`, `tag` over `branch` (default master). Nothing is checked out: one commit is fetched into a bare
repository that is gone afterwards, and the file is read out of it, so that no hook, filter, submodule or link of the
repository is ever followed. `cloneDirectory` has no meaning here. Needs the program `git`.
"""

import asyncio
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from events import fields
from events.github_app import GithubApp
from events.ports import Place
from sensors.errors import BadSensor, TriggerFailed
from sensors.git_access import Access, Remote, access
from sensors.github_login import login
from sensors.registry import manifest_sources
from sensors.standing import Standing
from sensors.surroundings import Surroundings

_LIMIT_BYTES = 1 << 20
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@#-]{0,254}")
_FORBIDDEN = ("..", "~", "\\")


class RemoteConfig(fields.Fields, frozen=True, kw_only=True):
    """Another remote to fetch from than `url`."""

    name: str = ""
    urls: tuple[str, ...] = ()


@manifest_sources.register("git")
class GitSource:
    """Fetches anew at each reading, as upstream does."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        """Argo's GitArtifact."""

        url: str = ""
        file_path: str = ""
        clone_directory: str = ""
        branch: str = ""
        tag: str = ""
        ref: str = ""
        remote: RemoteConfig | None = None
        creds: Remote | None = None
        ssh_key_secret: fields.SecretRef | None = None
        insecure_ignore_host_key: bool = False
        github_app: GithubApp | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    async def read(self, block: dict[str, Any], place: Place) -> bytes:
        config = _config(block)
        around, standing = self._surroundings, Standing(self._surroundings.secrets, place)
        url = (config.remote.urls or ("",))[0] if config.remote else config.url
        app = config.github_app
        given = await access(
            url,
            around.reach,
            standing,
            login=await login(url, app, standing, around) if app else None,
            creds=config.creds,
            key=config.ssh_key_secret,
            trusts_any_host=config.insecure_ignore_host_key,
        )
        with tempfile.TemporaryDirectory(prefix="bireme-git-") as folder:
            return await _Repository(Path(folder), given).file(_revision(config), config.file_path)

    async def close(self) -> None:
        """Holds nothing."""


def _config(block: dict[str, Any]) -> GitSource.Config:
    try:
        config = msgspec.convert(block, GitSource.Config)
    except msgspec.ValidationError as error:
        raise BadSensor(f"source.git: {error}") from error
    for name, given in (("url", config.url), ("filePath", config.file_path)):
        if not given:
            raise BadSensor(f"source.git.{name} is missing")
    for name, path in (("filePath", config.file_path), ("cloneDirectory", config.clone_directory)):
        if any(bad in path for bad in _FORBIDDEN):
            raise BadSensor(f"source.git.{name} is {path!r}: it must not contain .., ~ or \\")
    app = config.github_app
    if app and not app.is_whole:
        raise BadSensor("source.git.githubApp needs privateKey, appID and installationID")
    if app and (config.creds or config.ssh_key_secret):
        raise BadSensor("source.git: githubApp, creds and sshKeySecret: one says who we are")
    return config


def _revision(config: GitSource.Config) -> str:
    """What to fetch, as git names it. Nothing that git could take for an option or a pattern passes."""
    for name in ("ref", "tag", "branch"):
        given = getattr(config, name)
        if given and (not _REVISION.fullmatch(given) or ".." in given):
            raise BadSensor(f"source.git.{name} is {given!r}, which is no name of a revision")
    if config.ref:
        return config.ref
    return f"refs/tags/{config.tag}" if config.tag else f"refs/heads/{config.branch or 'master'}"


class _Repository:
    """A bare repository that lives as long as one reading."""

    def __init__(self, folder: Path, given: Access) -> None:
        self._folder = folder
        self._given = given

    async def file(self, revision: str, path: str) -> bytes:
        """The file's content. Raises BadSensor for a link or what is no file, TriggerFailed when git fails."""
        environment = self._given.environment(self._folder)
        await self._git(environment, "init", "--quiet", "--bare", ".")
        await self._git(
            environment, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules",
            "--end-of-options", self._given.url, revision,
        )  # fmt: skip
        listed = await self._git(
            environment, "--literal-pathspecs", "ls-tree", "-z", "FETCH_HEAD", "--", path.strip("/")
        )
        return await self._blob(environment, listed.decode(errors="replace"), path)

    async def _blob(self, environment: Mapping[str, str], listed: str, path: str) -> bytes:
        mode, kind, name = ([*listed.partition("\t")[0].split(), "", "", ""])[:3]
        if not listed:
            raise BadSensor(f"source.git: {self._given.shown} has no file {path}")
        if kind != "blob" or mode == "120000":
            raise BadSensor(f"source.git: {path} is a link or a directory, not a file")
        size = int(await self._git(environment, "cat-file", "-s", name))
        if size > _LIMIT_BYTES:
            raise BadSensor(f"source.git: {path} is longer than {_LIMIT_BYTES} bytes")
        return await self._git(environment, "cat-file", "blob", name)

    async def _git(self, environment: Mapping[str, str], *arguments: str) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                "git", *arguments, cwd=self._folder, env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise BadSensor("source.git needs the program git, which is not installed") from error
        try:
            output, complaint = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            words = self._given.masked(complaint.decode(errors="replace")).strip()[-400:]
            raise TriggerFailed(f"source.git: {arguments[0]} of {self._given.shown}: {words}")
        return output
