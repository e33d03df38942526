"""`bireme sync create|get|update|delete|list`: the limits of semaphores that manifests call by `database.key`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from server.cli import options, output
from server.cli.client import Client, segment

Command = Callable[..., Any]
_TYPES = {"database": "DATABASE", "configmap": "CONFIG_MAP"}


@click.group("sync", short_help="Keep the limits of semaphores in the database.")
def sync() -> None:
    """How many may hold a semaphore that manifests call by `database.key`."""


def _path(client: Client, key: str = "") -> str:
    return f"/api/v1/sync/{segment(client.namespace)}" + (f"/{segment(key)}" if key else "")


def _place(command: Command) -> Command:
    """KEY with Argo's --type and --cm-name, as the fields of a request in `place`."""

    @wraps(command)
    def placed(*args: Any, type: str, cm_name: str, **kwargs: Any) -> Any:
        return command(*args, place={"type": _TYPES[type], "cmName": cm_name}, **kwargs)

    for option in (
        click.option("--cm-name", default="", help="Of type configmap: its name."),
        click.option(
            "--type", type=click.Choice(list(_TYPES)), default="database", help="Where it is kept: the database."
        ),
        click.argument("key"),
    ):  # fmt: skip
        placed = option(placed)
    return placed


_limit = click.option("--limit", type=int, required=True, help="How many may hold the semaphore.")


def _tell(found: dict[str, Any], form: str | None, said: str) -> None:
    if form == "name":
        click.echo(found["key"])
    elif form in ("json", "yaml"):
        output.values(found, form)
    else:
        where = f"'{found['key']}' in namespace {found['namespace']}"
        click.echo(f"Sync limit {where} {said} {found['limit']}")


@sync.command("create")
@_limit
@_place
@options.engine
@options.output
def create(client: Client, key: str, place: dict[str, str], limit: int, form: str | None) -> None:
    """Keep a new limit; what waits for the semaphore goes on.

    \b
    Examples:
      bireme sync create printers --type database --limit 3
    """
    body = {**place, "key": key, "limit": limit}
    _tell(client.call("POST", _path(client), body), form, "created with limit")


@sync.command("get")
@_place
@options.engine
@options.output
def get(client: Client, key: str, place: dict[str, str], form: str | None) -> None:
    """Show a limit.

    \b
    Examples:
      bireme sync get printers
    """
    _tell(client.get(_path(client, _named(key)), **place), form, "has limit")


@sync.command("update")
@_limit
@_place
@options.engine
@options.output
def update(client: Client, key: str, place: dict[str, str], limit: int, form: str | None) -> None:
    """Change a limit; those who hold the semaphore keep it.

    \b
    Examples:
      bireme sync update printers --limit 5
    """
    body = {**place, "key": key, "limit": limit}
    _tell(client.call("PUT", _path(client, _named(key)), body), form, "updated to limit")


@sync.command("delete")
@_place
@options.engine
def delete(client: Client, key: str, place: dict[str, str]) -> None:
    """Forget a limit. What the engine has read of it holds until it ends; after that, steps that ask end in Error.

    \b
    Examples:
      bireme sync delete printers
    """
    client.call("DELETE", _path(client, _named(key)), query=place)
    click.echo(f"Sync limit '{key}' deleted")


def _named(key: str) -> str:
    if not key:
        raise click.UsageError("KEY must not be empty")
    return key


@sync.command("list")
@options.engine
@options.output
def list_(client: Client, form: str | None) -> None:
    """List the limits of a namespace; `-n -` lists all.

    \b
    Examples:
      bireme sync list
    """
    found = client.get(_path(client))["items"]
    if not output.items(found, form, name="key"):
        rows = [[item["namespace"], item["key"], item["limit"]] for item in found]
        output.table(["NAMESPACE", "KEY", "LIMIT"], rows, "No sync limits found")
