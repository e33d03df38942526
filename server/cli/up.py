"""`bireme up`."""

import sys
from pathlib import Path
from typing import Any

import click

from server import lean, local, settings


@click.command("up", short_help="Run everything; watch a directory and apply its manifests.")
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where everything is kept."
)
@click.option(
    "--database", metavar="URL", help="postgresql://… instead of SQLite in the data directory."
)
@click.option(
    "--role",
    type=click.Choice(settings.ROLES),
    help="all (default), or with PostgreSQL: one engine, and any number of sensor workers.",
)
@click.option(
    "--standby",
    "stands_by",
    is_flag=True,
    default=None,
    help="Wait while another engine has the database (role engine always does).",
)
@click.option("--host", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=int, help="Port of the API (default 2746).")
@click.option("--token", help="Bearer token instead of a generated one.")
@click.option("-n", "--namespace", help="Namespace of manifests that name none.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["console", "json"]))
def up(folder: Path | None, data_dir: Path | None, **given: Any) -> None:
    """Run the engine: event sources, sensors, workflows, API. Stop it with Ctrl-C; steps go on and are adopted later.

    With FOLDER, the manifests in it are applied, and applied again as they change.

    \b
    Examples:
      bireme up examples
      bireme up --data-dir ./data --port 0
      bireme up --database postgresql://bireme@db/bireme
      bireme up --database postgresql://bireme@db/bireme --role engine
      bireme up --database postgresql://bireme@db/bireme --role sensor
    """
    try:
        known = settings.from_environment().with_(
            data_dir=data_dir.absolute() if data_dir else None, **given
        )
        known = settings.checked(known)
    except settings.BadSetting as error:
        raise click.UsageError(str(error)) from error
    sys.exit(run(known, folder))


def run(known: settings.Settings, folder: Path | None) -> int:
    """Serve until stopped; the exit code."""
    if not known.stands_by:
        local.begin(known.data_dir)
    lean.import_libraries()
    import asyncio

    from bireme.kit import logs
    from bireme.kit.errors import BiremeError
    from server import process

    logs.configure(
        level=known.log_level, format="json" if known.log_format == "json" else "console"
    )
    try:
        if known.role == "sensor":
            asyncio.run(process.serve_worker(known, _announce_worker))
        else:
            asyncio.run(process.serve(known, folder, started=_announce(folder)))
    except BiremeError as error:
        click.echo(f"{click.style('error', fg='red', bold=True)}: {error}", err=True)
        return 1
    return 0


def _announce_worker(name: str) -> None:
    click.echo(f"bireme sensor worker {click.style(name, fg='cyan')} is up", err=True)


def _announce(folder: Path | None) -> Any:
    def started(deck: Any, engine: Any, is_new: bool) -> None:
        click.echo(f"bireme is up: {click.style(engine.server, fg='cyan')}", err=True)
        click.echo(f"  data   {engine.data_dir}", err=True)
        if folder is not None:
            click.echo(f"  watch  {folder.absolute()}", err=True)
        if is_new:
            click.echo(f"  token  {engine.token}", err=True)
            click.echo(
                "  (kept in the data directory; commands here find it by themselves)", err=True
            )

    return started
