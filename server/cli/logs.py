"""`bireme logs`."""

import hashlib

import click

from server.cli import options
from server.cli.client import Client, segment

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green")


@click.command("logs", short_help="Print what the steps of a workflow printed.")
@click.argument("name")
@click.argument("step", required=False, default="")
@options.engine
@click.option("-f", "--follow", is_flag=True, help="Go on until the workflow has ended.")
@click.option("--grep", default="", help="Only lines that match the regular expression.")
@click.option("--tail", type=int, default=-1, help="Only the last lines.")
def logs(client: Client, name: str, step: str, follow: bool, grep: str, tail: int) -> None:
    """Print the output of a workflow's steps, or of one STEP (its name or id).

    \b
    Examples:
      bireme logs @latest
      bireme logs -f ci-x7k2p test
    """
    results = client.stream(
        f"/api/v1/workflows/{client.namespace}/{segment(name)}/log",
        **{
            "podName": step,
            "grep": grep,
            "logOptions.container": "main",
            "logOptions.follow": "true" if follow else "",
            "logOptions.tailLines": str(tail) if tail >= 0 else "",
        },
    )
    for entry in results:
        pod = entry.get("nodeName") or entry["podName"]
        click.echo(f"{click.style(pod, fg=_colour(pod))}: {entry['content']}")


def _colour(name: str) -> str:
    return _COLOURS[hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % len(_COLOURS)]
