"""`bireme list`."""

from datetime import UTC, datetime
from typing import Any

import click

from server.cli import options, output, tree
from server.cli.client import Client

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Error")


@click.command("list", short_help="List workflows, running ones first.")
@options.engine
@options.output
@click.option("-A", "--all-namespaces", is_flag=True, help="Those of every namespace.")
@click.option("--running", is_flag=True, help="Only those that have not ended.")
@click.option("--completed", is_flag=True, help="Only those that have ended.")
@click.option("--resubmitted", is_flag=True, help="Only those that were resubmitted.")
@click.option("--status", default="", help="Only these phases: Running,Failed.")
@click.option("--since", default="", help="Only those created within, such as 1h.")
@click.option("--older", default="", help="Only those created before, such as 7d.")
@click.option("--prefix", default="", help="Only names that begin so.")
@click.option("-l", "--selector", default="", help="Label selector.")
@click.option("--limit", type=click.IntRange(0), default=0, help="At most that many; 0 for all.")
@click.option("--no-headers", is_flag=True, help="Without the header line.")
def list_(
    client: Client, form: str | None, all_namespaces: bool, no_headers: bool, **asked: Any
) -> None:
    """List workflows: running ones first, then the last that ended.

    \b
    Examples:
      bireme list
      bireme list --status Failed,Error --since 1d
      bireme list -o name | xargs bireme delete
    """
    found = find(client, all_namespaces=all_namespaces, **asked)
    show(found, form, with_namespace=all_namespaces, no_headers=no_headers)


def show(
    found: list[dict[str, Any]], form: str | None, *, with_namespace: bool, no_headers: bool
) -> None:
    """Print workflows in a form, or as a table in Argo's columns."""
    if output.items(found, form):
        return
    columns = ["NAMESPACE"] * with_namespace
    columns += ["NAME", "STATUS", "AGE", "DURATION", "PRIORITY", "MESSAGE"]
    columns += ["PROGRESS", "PARAMETERS"] if form == "wide" else []
    rows = [_row(item, with_namespace, form == "wide") for item in found]
    output.table([] if no_headers else columns, rows, "No workflows found")


def find(client: Client, *, all_namespaces: bool = False, **asked: Any) -> list[dict[str, Any]]:
    """The workflows that are asked for."""
    namespace = "-" if all_namespaces else client.namespace
    answer = client.get(
        f"/api/v1/workflows/{namespace}",
        **{
            "listOptions.labelSelector": selector(asked),
            "listOptions.limit": asked.get("limit", 0),
            "namePrefix": asked.get("prefix", ""),
        },
    )
    found: list[dict[str, Any]] = answer["items"]
    return [
        item for item in found if _is_within(item, asked.get("since", ""), asked.get("older", ""))
    ]


def selector(asked: dict[str, Any]) -> str:
    """The options as one label selector."""
    parts = [asked["selector"]] if asked.get("selector") else []
    if status := asked.get("status"):
        parts.append(f"workflows.argoproj.io/phase in ({','.join(sorted(_phases(status)))})")
    if asked.get("running"):
        parts.append("workflows.argoproj.io/completed!=true")
    if asked.get("completed"):
        parts.append("workflows.argoproj.io/completed=true")
    if asked.get("resubmitted"):
        parts.append("workflows.argoproj.io/resubmitted-from-workflow")
    return ",".join(parts)


def _phases(text: str) -> list[str]:
    phases = [word.strip() for word in text.split(",")]
    for phase in phases:
        if phase not in PHASES:
            known = ", ".join(PHASES)
            raise click.BadParameter(f"no phase '{phase}'; known: {known}", param_hint="--status")
    return phases


def _is_within(item: dict[str, Any], since: str, older: str) -> bool:
    created = output.moment(item["metadata"].get("creationTimestamp"))
    if created is None:
        return True
    age = (datetime.now(UTC) - created).total_seconds()
    return (not since or age <= seconds(since)) and (not older or age >= seconds(older))


def seconds(text: str) -> float:
    """`90s`, `30m`, `1h`, `7d` in seconds."""
    sizes = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    try:
        return float(text[:-1]) * sizes[text[-1]]
    except (ValueError, KeyError, IndexError) as error:
        raise click.BadParameter(
            f"expected a duration such as 30m, 1h or 7d, found '{text}'"
        ) from error


def _row(item: dict[str, Any], with_namespace: bool, wide: bool) -> list[str]:
    metadata, status = item["metadata"], item.get("status") or {}
    row = [metadata["namespace"]] if with_namespace else []
    row += [
        metadata["name"],
        output.coloured(tree.status_of(item)),
        output.age(metadata.get("creationTimestamp")),
        output.duration(status.get("startedAt"), status.get("finishedAt")),
        str((item.get("spec") or {}).get("priority") or 0),
        status.get("message") or "",
    ]
    if wide:
        parameters = ((item.get("spec") or {}).get("arguments") or {}).get("parameters") or []
        pairs = ",".join(f"{p['name']}={p.get('value', '')}" for p in parameters)
        row += [status.get("progress") or "", pairs]
    return row
