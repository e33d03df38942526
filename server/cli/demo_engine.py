"""The demo's engine: the examples copied to a directory of its own, served here while the tour goes round."""

import asyncio
import os
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from bireme.kit import logs
from bireme.kit.errors import BiremeError
from bireme.kit.supervise import TaskScope
from server import process, settings
from server.cli.client import Client
from server.cli.demo_servers import KEYS, Servers, free_port
from server.cli.demo_tour import SECRET, Tour
from server.local import LocalEngine

_HERE = Path(__file__).resolve()
EXAMPLES = next(
    (path for up in (2, 1) if (path := _HERE.parents[up] / "examples").is_dir()),
    _HERE.parents[1] / "examples",
)
"""Beside the packages in a checkout, inside this one when installed from a wheel."""

_PORT = "12000"


def run(*, stays: bool, servers: bool, keep: str | None) -> int:
    """The whole demo; 0 when every workflow of the tour did what it should."""
    logs.configure(level="error")
    if not EXAMPLES.is_dir():
        raise click.ClickException(f"the examples are not installed (looked in {EXAMPLES})")
    if keep:
        Path(keep).mkdir(parents=True, exist_ok=True)
    folder = nullcontext(keep) if keep else tempfile.TemporaryDirectory(prefix="bireme-demo-")
    with folder as place:
        at = Path(place).absolute()
        with Servers(at / "servers", servers) as started:
            return asyncio.run(_Demo(at, stays, started).run())


class _Demo:
    """One demo in one directory."""

    def __init__(self, place: Path, stays: bool, servers: Servers) -> None:
        self.place, self.stays, self.servers = place, stays, servers
        self.landing = place / "landing"
        self.hook_port = free_port(int(_PORT))
        self.stop = asyncio.Event()
        self.failed = True
        self.scope = TaskScope("demo")

    async def run(self) -> int:
        if self.servers.s3:
            os.environ.update(_aws(self.servers))  # for the tour, which puts an object
        folder = self._copy_examples()
        self.landing.mkdir(exist_ok=True)
        known = settings.from_environment()
        mine = known.with_(data_dir=self.place / "data", port=free_port(known.port), token="")
        try:
            await process.serve(mine, folder, started=self._started, stop=self.stop)
        except BiremeError as error:
            raise click.ClickException(str(error)) from error
        await self.scope.close()
        return 1 if self.failed else 0

    def _copy_examples(self) -> Path:
        """The manifests, with the places of this demo instead of their own."""
        folder = self.place / "manifests"
        for use in self._uses():
            shutil.copytree(EXAMPLES / use, folder / use, dirs_exist_ok=True)
        ours = {
            f'"{_PORT}"': f'"{self.hook_port}"',
            "/tmp/bireme-landing": str(self.landing),
            "127.0.0.1:9092": f"127.0.0.1:{self.servers.kafka}",
            "127.0.0.1:5000": f"127.0.0.1:{self.servers.s3}",
        }
        for path in folder.rglob("*.yaml"):
            text = path.read_text()
            for theirs, our in ours.items():
                text = text.replace(theirs, our)
            path.write_text(text)
        return folder

    def _uses(self) -> list[str]:
        upload = "s3-etl" if self.servers.s3 else "directory-etl"
        stream = "kafka-pipeline" if self.servers.kafka else "stream-pipeline"
        return ["github-ci", upload, "nightly-cron", stream]

    def _started(self, deck: Any, engine: LocalEngine, is_new: bool) -> None:
        self.scope.start("tour", self._tour(engine))

    async def _tour(self, engine: LocalEngine) -> None:
        """The tour is an ordinary client of the engine, in a thread of its own."""
        client = Client(engine.server, engine.token)
        tour = Tour(client, f"http://127.0.0.1:{self.hook_port}", self.landing, self.servers)
        try:
            self.failed = not await asyncio.to_thread(tour.run)
        except (click.ClickException, TimeoutError) as error:
            click.echo(f"{click.style('the tour ended early', fg='red')}: {error}", err=True)
        if self.stays:
            _invite(self.place, engine, self.servers)
        else:
            self.stop.set()


def _aws(servers: Servers) -> dict[str, str]:
    """The environment in which AWS's tools, and `bireme send s3`, reach the demo's store."""
    endpoint = f"http://127.0.0.1:{servers.s3}"
    return {**KEYS, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}


def _invite(place: Path, engine: LocalEngine, servers: Servers) -> None:
    more = "  bireme send kafka --set total=900\n" if servers.kafka else ""
    if servers.s3:
        aws = " ".join(f"{name}={value}" for name, value in _aws(servers).items())
        more += f"  {aws} bireme send s3 --event upload\n"
    click.echo(
        f"\nThe engine stays up at {engine.server}. In another terminal, try:\n"
        "  bireme list\n"
        f"  bireme send github --secret {SECRET} --ref main\n{more}"
        "  bireme events tail\n"
        "  bireme explain event @latest\n"
        f"Change a manifest in {place / 'manifests'} and see it applied. Ctrl-C ends the demo."
    )
