"""`bireme memo list|get|clear`: what memoized steps left in their caches."""

from typing import Any

import click

from server.cli import options, output
from server.cli.client import Client, segment


@click.group("memo", short_help="Look at the caches of memoized steps, clear them.")
def memo() -> None:
    """The caches of memoized steps."""


def _path(client: Client) -> str:
    return f"/api/v1/bireme/memo/{segment(client.namespace)}"


@memo.command("list")
@click.argument("cache", default="")
@click.option("--limit", default=500, show_default=True, help="At most so many entries.")
@options.engine
@options.output
def list_(client: Client, cache: str, limit: int, form: str | None) -> None:
    """List the entries of all caches, or of one.

    \b
    Examples:
      bireme memo list
      bireme memo list builds -o json
    """
    found = client.get(_path(client), cache=cache, limit=limit)["items"]
    if not output.items(found, form, name="key"):
        header = ["CACHE", "KEY", "WORKFLOW", "BYTES", "AGE", "LAST HIT"]
        output.table(header, [_row(item) for item in found], "No memoized step has left anything")
    if len(found) >= limit:
        click.echo(f"only the first {limit} are shown; --limit N shows more", err=True)


def _row(item: dict[str, Any]) -> list[Any]:
    ages = [output.age(item[name]) for name in ("creationTimestamp", "lastHitTimestamp")]
    return [item["cacheName"], item["key"], item["workflow"], item["bytes"], *ages]


@memo.command("get")
@click.argument("cache")
@click.argument("key")
@options.engine
@options.output
def get(client: Client, cache: str, key: str, form: str | None) -> None:
    """Show an entry with the outputs that the next such step will have.

    \b
    Examples:
      bireme memo get builds commit-1f3a
    """
    found = client.get(f"{_path(client)}/entry", cache=cache, key=key)
    if form == "name":
        click.echo(key)
        return
    if form in ("json", "yaml"):
        output.values(found, form)
        return
    rows = {
        "Cache": found["cacheName"],
        "Key": found["key"],
        "Left by": f"{found['workflow']}, node {found['nodeID']}",
        "Age": output.age(found["creationTimestamp"]),
        "Last hit": output.age(found["lastHitTimestamp"]),
    }
    for title, value in rows.items():
        click.echo(f"{title + ':':<12}{value}")
    if found["outputs"]:
        click.echo("Outputs:")
        output.values(found["outputs"], "yaml")


@memo.command("clear")
@click.argument("cache", required=False)
@click.argument("key", required=False)
@click.option("--all", "everything", is_flag=True, help="All caches of the namespace.")
@options.engine
def clear(client: Client, cache: str | None, key: str | None, everything: bool) -> None:
    """Forget an entry, or a whole cache: the next such step runs again.

    \b
    Examples:
      bireme memo clear builds commit-1f3a
      bireme memo clear builds
      bireme memo clear --all
    """
    if "" in (cache, key):
        raise click.UsageError(
            "CACHE and KEY must not be empty: that would clear more than was meant"
        )
    if everything == bool(cache):
        raise click.UsageError("name a CACHE, or give --all to clear those of the namespace")
    done = client.call("DELETE", _path(client), query={"cache": cache, "key": key})
    click.echo(f"{done['cleared']} cleared")
