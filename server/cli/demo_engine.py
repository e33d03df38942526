"""The demo's engine: the examples copied to a directory of its own, served here while the tour goes round."""

import asyncio
import shutil
import socket
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
from server.cli.demo_tour import Tour
from server.local import LocalEngine

_HERE = Path(__file__).resolve()
EXAMPLES = next(
    (path for up in (2, 1) if (path := _HERE.parents[up] / "examples").is_dir()),
    _HERE.parents[1] / "examples",
)
"""Beside the packages in a checkout, inside this one when installed from a wheel."""

USES = ("github-ci", "directory-etl", "nightly-cron", "stream-pipeline")
_PORT = "12000"


def run(*, stays: bool, keep: str | None) -> int:
    """The whole demo; 0 when every workflow of the tour did what it should."""
    logs.configure(level="error")
    if not EXAMPLES.is_dir():
        raise click.ClickException(f"the examples are not installed (looked in {EXAMPLES})")
    if keep:
        Path(keep).mkdir(parents=True, exist_ok=True)
    folder = nullcontext(keep) if keep else tempfile.TemporaryDirectory(prefix="bireme-demo-")
    with folder as place:
        return asyncio.run(_Demo(Path(place).absolute(), stays).run())


class _Demo:
    """One demo in one directory."""

    def __init__(self, place: Path, stays: bool) -> None:
        self.place, self.stays = place, stays
        self.landing = place / "landing"
        self.hook_port = _free_port(int(_PORT))
        self.stop = asyncio.Event()
        self.failed = True
        self.scope = TaskScope("demo")

    async def run(self) -> int:
        folder = self._copy_examples()
        self.landing.mkdir(exist_ok=True)
        known = settings.from_environment()
        mine = known.with_(data_dir=self.place / "data", port=_free_port(known.port), token="")
        try:
            await process.serve(mine, folder, started=self._started, stop=self.stop)
        except BiremeError as error:
            raise click.ClickException(str(error)) from error
        await self.scope.close()
        return 1 if self.failed else 0

    def _copy_examples(self) -> Path:
        """The manifests, with the port and the directory of this demo in place of their own."""
        folder = self.place / "manifests"
        for use in USES:
            shutil.copytree(EXAMPLES / use, folder / use, dirs_exist_ok=True)
        for path in folder.rglob("*.yaml"):
            text = path.read_text().replace(f'"{_PORT}"', f'"{self.hook_port}"')
            path.write_text(text.replace("/tmp/bireme-landing", str(self.landing)))
        return folder

    def _started(self, deck: Any, engine: LocalEngine, is_new: bool) -> None:
        self.scope.start("tour", self._tour(engine))

    async def _tour(self, engine: LocalEngine) -> None:
        """The tour is an ordinary client of the engine, in a thread of its own."""
        client = Client(engine.server, engine.token)
        tour = Tour(client, f"http://127.0.0.1:{self.hook_port}", self.landing)
        try:
            self.failed = not await asyncio.to_thread(tour.run)
        except (click.ClickException, TimeoutError) as error:
            click.echo(f"{click.style('the tour ended early', fg='red')}: {error}", err=True)
        if self.stays:
            _invite(self.place, engine)
        else:
            self.stop.set()


def _invite(place: Path, engine: LocalEngine) -> None:
    click.echo(
        f"\nThe engine stays up at {engine.server}. In another terminal, try:\n"
        "  bireme list\n"
        "  bireme send github --secret demo-secret-change-me --ref main\n"
        "  bireme events tail\n"
        "  bireme explain event @latest\n"
        f"Change a manifest in {place / 'manifests'} and see it applied. Ctrl-C ends the demo."
    )


def _free_port(wanted: int) -> int:
    """The wanted port when nobody has it, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = listener.getsockname()[1]
            return found
    raise click.ClickException("this machine has no free port")
