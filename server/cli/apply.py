"""`bireme apply`."""

import sys
from typing import Any

import click

from server.cli import files, options, output
from server.cli.client import Client, Failed


@click.command("apply", short_help="Create or change objects from manifests.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True))
@options.engine
@options.output
def apply(client: Client, paths: tuple[str, ...], form: str | None) -> None:
    """Create or change objects from files, directories or standard input (-).

    Applying the same content again changes nothing; a Workflow is started once per content.

    \b
    Examples:
      bireme apply examples/
      cat sensor.yaml | bireme apply -
    """
    manifests = [one for path in paths for one in files.read(path, client.namespace)]
    if not manifests:
        raise click.ClickException(f"there is no manifest in {', '.join(paths)}")
    failed = False
    results = []
    for one in sorted(manifests, key=lambda one: _rank(one.kind)):
        body = {"manifest": one.manifest, "lines": one.lines, "file": one.file}
        try:
            results.append(client.call("POST", "/api/v1/bireme/objects/apply", body))
        except Failed as error:
            failed = True
            click.echo(
                f"{click.style('error', fg='red', bold=True)}: {one.title}: {error}", err=True
            )
    _print(results, form)
    sys.exit(1 if failed else 0)


def _rank(kind: str) -> int:
    from server.objects.model import rank

    return rank(kind)


def _print(results: list[dict[str, Any]], form: str | None) -> None:
    if form in ("json", "yaml"):
        output.values(results, form)
        return
    for done in results:
        note = f" ({done['note']})" if done.get("note") else ""
        click.echo(f"{done['kind'].lower()}/{done['name']} {done['action']}{note}")
