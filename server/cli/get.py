"""`bireme get`."""

import click

from server.cli import options, output, tree
from server.cli.client import Client, segment


@click.command("get", short_help="Show one workflow with its tree of steps.")
@click.argument("names", nargs=-1, required=True)
@options.engine
@options.output
@click.option("--no-utf8", is_flag=True, help="Draw the tree with ASCII only.")
def get(client: Client, names: tuple[str, ...], form: str | None, no_utf8: bool) -> None:
    """Show workflows with their steps. @latest is the newest one.

    \b
    Examples:
      bireme get @latest
      bireme get ci-x7k2p -o json | jq .status.phase
    """
    for name in names:
        found = client.get(f"/api/v1/workflows/{client.namespace}/{segment(name)}")
        if form in ("json", "yaml"):
            output.values(found, form)
        elif form == "name":
            click.echo(found["metadata"]["name"])
        else:
            show(found, wide=form == "wide", plain=no_utf8)


def show(workflow: dict[str, object], *, wide: bool = False, plain: bool = False) -> None:
    """Print the header and the tree."""
    for line in tree.header(workflow):
        click.echo(line)
    drawn = tree.steps(workflow, tree.Style(wide=wide, plain=plain))
    if drawn:
        click.echo()
    for line in drawn:
        click.echo(line)
