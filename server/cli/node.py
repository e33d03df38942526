"""`bireme node set`: answer a step that waits for a person."""

import json
from typing import Any

import click

from server.cli import options
from server.cli.client import Client
from server.cli.operations import put

PHASES = ("Succeeded", "Failed", "Error")


@click.group("node", short_help="Give a waiting step its outputs, or its end.")
def node() -> None:
    """The steps of one workflow."""


@node.command("set")
@click.argument("name")
@options.engine
@click.option(
    "--node-field-selector",
    "nodeFieldSelector",
    required=True,
    help="Which nodes, such as displayName=approve.",
)
@options.outputs
@click.option("--phase", type=click.Choice(PHASES), help="End the node so.")
@click.option("--message", default="", help="Why, for the record.")
def set_(client: Client, name: str, outputs: tuple[str, ...], **body: Any) -> None:
    """Give waiting steps (suspend) their supplied outputs; with --phase they end, else they wait for `resume`.

    \b
    Examples:
      bireme node set release-4kq7d --node-field-selector displayName=approve --output-parameter answer=YES
      bireme node set release-4kq7d --node-field-selector displayName=approve --phase Failed --message "not today"
    """
    values = options.pairs(outputs, "--output-parameter")
    if not (values or body["phase"] or body["message"]):
        raise click.UsageError("nothing to set: give --output-parameter, --phase or --message")
    done = put(
        client, name, "set", {**body, "outputParameters": json.dumps(values) if values else ""}
    )
    click.echo(f"workflow {done['metadata']['name']} set")
