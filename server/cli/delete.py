"""`bireme delete`."""

from typing import Any

import click

from server.cli import files, listing, options
from server.cli.client import Client, segment

KINDS = {
    "wftmpl": "WorkflowTemplate", "workflowtemplate": "WorkflowTemplate",
    "cwft": "ClusterWorkflowTemplate", "clusterworkflowtemplate": "ClusterWorkflowTemplate",
    "cronwf": "CronWorkflow", "cwf": "CronWorkflow", "cronworkflow": "CronWorkflow",
    "es": "EventSource", "eventsource": "EventSource", "sensor": "Sensor",
    "eventbus": "EventBus", "configmap": "ConfigMap", "cm": "ConfigMap", "secret": "Secret",
}  # fmt: skip


@click.command("delete", short_help="Delete workflows, or other objects as KIND/NAME.")
@click.argument("names", nargs=-1)
@options.engine
@click.option("-f", "--file", "paths", multiple=True, help="The objects of this file or directory.")
@click.option("--all", "every", is_flag=True, help="All workflows of the namespace.")
@click.option("--completed", is_flag=True, help="All workflows that have ended.")
@click.option("--older", default="", help="Of those, only the ones created before, such as 7d.")
@click.option("--prefix", default="", help="Workflows whose name begins so.")
@click.option("-l", "--selector", default="", help="Workflows with these labels.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def delete(
    client: Client,
    names: tuple[str, ...],
    paths: tuple[str, ...],
    every: bool,
    dry_run: bool,
    **asked: Any,
) -> None:
    """Delete workflows by name, or other objects as KIND/NAME.

    \b
    Examples:
      bireme delete ci-x7k2p
      bireme delete --completed --older 7d
      bireme delete sensor/ci wftmpl/ci
      bireme delete -f examples/
    """
    targets = [_target(name) for name in names]
    for path in paths:
        targets += [(one.kind, one.name) for one in files.read(path, client.namespace)]
    if every or any(asked.values()):
        targets += [
            ("Workflow", item["metadata"]["name"]) for item in listing.find(client, **asked)
        ]
    elif not targets:
        raise click.UsageError("name a workflow, KIND/NAME, -f FILE, --all or --completed")
    if not targets:
        click.echo("No resources found", err=True)
    for kind, name in targets:
        _delete(client, kind, name, dry_run)


def _target(text: str) -> tuple[str, str]:
    kind, slash, name = text.rpartition("/")
    if not slash:
        return "Workflow", text
    known = KINDS.get(kind.lower().removesuffix("s")) or KINDS.get(kind.lower())
    if kind.lower() in ("wf", "workflow", "workflows"):
        known = "Workflow"
    if known is None:
        raise click.BadParameter(f"unknown kind '{kind}'; known: wf, {', '.join(sorted(KINDS))}")
    return known, name


def _delete(client: Client, kind: str, name: str, dry_run: bool) -> None:
    if not dry_run and kind == "Workflow":
        client.call("DELETE", f"/api/v1/workflows/{client.namespace}/{segment(name)}")
    elif not dry_run:
        path = f"/api/v1/bireme/objects/{client.namespace}/{kind}/{segment(name)}"
        client.call("DELETE", path)
    would = " (dry run)" if dry_run else ""
    click.echo(f"{kind} '{name}' deleted{would}")
