"""`bireme held list|get|release|discard`: firings that a breaker holds for review."""

import getpass

import click

from server.cli import explain, options, output
from server.cli.client import Client, segment

_FIRINGS = "/api/v1/bireme/firings"


@click.group("held", short_help="Release or discard firings that a breaker holds.")
def held() -> None:
    """Firings beyond a breaker's budget: they act once released, or never."""


@held.command("list")
@click.option("--sensor", default="", help="Only those of this sensor.")
@options.newest
@options.engine
@options.output
def list_(client: Client, sensor: str, limit: int, following: str, form: str | None) -> None:
    """List held firings, newest first.

    \b
    Examples:
      bireme held list
      bireme held list --limit 50 --continue 1767225600.5,6f1c0a...
      bireme held list -o name | xargs bireme held release
    """
    query = {
        "namespace": client.namespace,
        "sensor": sensor,
        "status": "held",
        "limit": limit + 1,
        "continue": following,
    }
    found = output.page(client.get(_FIRINGS, **query)["items"], limit)
    if not output.items(found, form, name="id"):
        rows = [
            [f["id"], f["sensor"], f["trigger"], output.local_time(f["createdAt"])] for f in found
        ]
        output.table(["ID", "SENSOR", "TRIGGER", "HELD SINCE"], rows, "No firings are held")


@held.command("get")
@click.argument("firing")
@options.engine
@options.output
def get(client: Client, firing: str, form: str | None) -> None:
    """Show a firing: the events that led to it, and why it is held.

    \b
    Examples:
      bireme held get 6f1c0a...
    """
    show(client, firing, form)


@held.command("release")
@click.argument("firings", nargs=-1, required=True)
@options.engine
def release(client: Client, firings: tuple[str, ...]) -> None:
    """Let held firings act.

    \b
    Examples:
      bireme held release 6f1c0a...
    """
    for firing in firings:
        made = client.call("PUT", f"{_FIRINGS}/{segment(firing)}/release", {}, {"by": person()})
        click.echo(f"firing {firing} released: {made['status']}")


@held.command("discard")
@click.argument("firings", nargs=-1, required=True)
@options.engine
def discard(client: Client, firings: tuple[str, ...]) -> None:
    """Let held firings never act.

    \b
    Examples:
      bireme held discard 6f1c0a...
    """
    for firing in firings:
        client.call("PUT", f"{_FIRINGS}/{segment(firing)}/discard", {}, {"by": person()})
        click.echo(f"firing {firing} discarded")


def person() -> str:
    """The login name of whoever decides, for the decision; empty where the system knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # KeyError until Python 3.13
        return ""


def show(client: Client, firing: str, form: str | None) -> None:
    """One firing with its lineage."""
    found = client.get(f"{_FIRINGS}/{segment(firing)}")
    if form in ("json", "yaml"):
        output.values(found, form)
    elif form == "name":
        click.echo(found["firing"]["id"])
    else:
        explain.show_firing(found)
