"""`bireme archive`: finished workflows, also those that the list has lost to a ttlStrategy or a history limit."""

from typing import Any

import click

from server.cli import get as shown
from server.cli import options, output
from server.cli.client import Client, Failed, segment

BASE = "/api/v1/archived-workflows"


@click.group("archive", short_help="Search finished workflows, run them again.")
def archive() -> None:
    """Finished workflows: what was, however long ago the list forgot it. NAME may be a uid."""


@archive.command("list")
@click.option("-l", "--selector", default="", help="Labels, such as app=x,env!=test.")
@click.option("--status", multiple=True, help="Only these phases: Succeeded, Failed, Error.")
@click.option("--prefix", default="", help="Names that begin so.")
@click.option("--name", default="", help="Names that hold this text.")
@click.option("--since", default="", help="Created after this time (RFC 3339).")
@click.option("--before", default="", help="Finished before this time (RFC 3339).")
@click.option("--limit", default=100, help="At most so many; 0 for all.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Of every namespace.")
@options.engine
@options.output
def list_(client: Client, form: str | None, **asked: Any) -> None:
    """List finished workflows, the newest first.

    \b
    Examples:
      bireme archive list --status Failed --since 2026-01-01T00:00:00Z
      bireme archive list -l app=etl --prefix nightly-
    """
    found = client.get(BASE, **_query(client, asked))
    if output.items(found["items"], form):
        return
    header = ["NAME", "STATUS", "FINISHED", "DURATION", "UID"]
    output.table(header, [_row(item) for item in found["items"]], "No archived workflows found")
    if more := (found.get("metadata") or {}).get("remainingItemCount"):
        click.echo(f"… and {more} more; raise --limit or narrow the search", err=True)


def _query(client: Client, asked: dict[str, Any]) -> dict[str, Any]:
    selectors = [asked["selector"]] if asked["selector"] else []
    if asked["status"]:
        selectors.append(f"workflows.argoproj.io/phase in ({','.join(asked['status'])})")
    return {
        "namespace": "" if asked["all_namespaces"] else client.namespace,
        "listOptions.labelSelector": ",".join(selectors),
        "listOptions.limit": asked["limit"],
        "listOptions.fieldSelector": f"metadata.name={asked['name']}" if asked["name"] else "",
        "nameFilter": "Contains" if asked["name"] else "",
        "namePrefix": asked["prefix"],
        "createdAfter": asked["since"],
        "finishedBefore": asked["before"],
    }


def _row(item: dict[str, Any]) -> list[str]:
    metadata, status = item["metadata"], item["status"]
    finished = status.get("finishedAt")
    return [
        metadata["name"],
        output.coloured(status.get("phase") or ""),
        output.age(finished),
        output.duration(status.get("startedAt"), finished),
        metadata["uid"],
    ]


@archive.command("get")
@click.argument("name")
@options.engine
@options.output
def get(client: Client, name: str, form: str | None) -> None:
    """Show a finished workflow with its tree of steps.

    \b
    Examples:
      bireme archive get nightly-1767225600
    """
    found = _find(client, name)
    if form in ("json", "yaml"):
        output.values(found, form)
    elif form == "name":
        click.echo(found["metadata"]["name"])
    else:
        shown.show(found, wide=form == "wide")


def _find(client: Client, name: str) -> dict[str, Any]:
    """By uid when it looks like one, else the newest of that name; @latest is the one that was made last."""
    if name == "@latest":
        query = {"namespace": client.namespace, "listOptions.limit": 1}
        newest = client.get(BASE, **query)["items"]
        if not newest:
            raise Failed(f"no finished workflow in namespace '{client.namespace}'", 404)
        name = newest[0]["metadata"]["uid"]
    is_uid = name.count("-") == 4 and len(name) == 36
    path, query = (name, {}) if is_uid else ("-", {"namespace": client.namespace, "name": name})
    found: dict[str, Any] = client.get(f"{BASE}/{segment(path)}", **query)
    return found


@archive.command("delete")
@click.argument("names", nargs=-1, required=True)
@options.engine
def delete(client: Client, names: tuple[str, ...]) -> None:
    """Forget finished workflows for good.

    \b
    Examples:
      bireme archive delete nightly-1767225600
    """
    for name in names:
        uid = _find(client, name)["metadata"]["uid"]
        client.call("DELETE", f"{BASE}/{uid}")
        click.echo(f"Archived workflow '{name}' deleted")


@archive.command("retry")
@click.argument("names", nargs=-1, required=True)
@click.option("--restart-successful", is_flag=True, help="Also run what succeeded and is selected.")
@click.option("--node-field-selector", default="", help="Which nodes.")
@options.parameters
@options.engine
def retry(
    client: Client,
    names: tuple[str, ...],
    restart_successful: bool,
    node_field_selector: str,
    parameters: tuple[str, ...],
    parameter_file: str | None,
) -> None:
    """Bring failed workflows back to the list and run what failed again.

    \b
    Examples:
      bireme archive retry nightly-1767225600
    """
    body = {
        "restartSuccessful": restart_successful,
        "nodeFieldSelector": node_field_selector,
        "parameters": options.given_parameters(parameters, parameter_file),
    }
    _again(client, names, "retry", body)


@archive.command("resubmit")
@click.argument("names", nargs=-1, required=True)
@options.parameters
@options.engine
def resubmit(
    client: Client, names: tuple[str, ...], parameters: tuple[str, ...], parameter_file: str | None
) -> None:
    """Start finished workflows again as new ones.

    \b
    Examples:
      bireme archive resubmit nightly-1767225600 -p day=2026-01-01
    """
    body = {"parameters": options.given_parameters(parameters, parameter_file)}
    _again(client, names, "resubmit", body)


def _again(client: Client, names: tuple[str, ...], operation: str, body: dict[str, Any]) -> None:
    for name in names:
        uid = _find(client, name)["metadata"]["uid"]
        made = client.call("PUT", f"{BASE}/{uid}/{operation}", body)
        click.echo(f"{made['metadata']['name']} {made['status'].get('phase') or 'Pending'}")


@archive.command("list-label-keys")
@options.engine
@options.plain_output
def list_label_keys(client: Client, form: str | None) -> None:
    """List every label that a finished workflow has.

    \b
    Examples:
      bireme archive list-label-keys
    """
    _print_texts(client.get(BASE + "-label-keys")["items"], form)


@archive.command("list-label-values")
@click.option("-l", "--selector", required=True, help="The label.")
@options.engine
@options.plain_output
def list_label_values(client: Client, selector: str, form: str | None) -> None:
    """List the values that a label has.

    \b
    Examples:
      bireme archive list-label-values -l app
    """
    found = client.get(BASE + "-label-values", **{"listOptions.labelSelector": selector})
    _print_texts(found["items"], form)


def _print_texts(texts: list[str], form: str | None) -> None:
    if form:
        output.values(texts, form)
        return
    for text in texts:
        click.echo(text)
