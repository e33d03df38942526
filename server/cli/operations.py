"""What people do to a workflow that exists: stop, terminate, suspend, resume, retry, resubmit."""

import json
from collections.abc import Mapping
from typing import Any

import click

from server.cli import options, output, watch
from server.cli.client import Client, segment

_NODES = click.option(
    "--node-field-selector", "nodeFieldSelector", default="", help="Only nodes such as displayName=approve."
)  # fmt: skip


def put(client: Client, name: str, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask the engine for an operation on a workflow; the workflow afterwards. What is empty in `body` is left out."""
    path = f"/api/v1/workflows/{client.namespace}/{segment(name)}/{operation}"
    done: dict[str, Any] = client.call("PUT", path, {k: v for k, v in body.items() if v})
    return done


def _each(client: Client, names: tuple[str, ...], operation: str, said: str, **body: Any) -> None:
    for name in names:
        done = put(client, name, operation, body)
        click.echo(f"workflow {done['metadata']['name']} {said}")


@click.command("stop", short_help="Stop workflows; exit handlers still run.")
@click.argument("names", nargs=-1, required=True)
@options.engine
@_NODES
@click.option("--message", default="", help="Why, for the record.")
def stop(client: Client, names: tuple[str, ...], **body: Any) -> None:
    """Stop workflows: running steps are ended, exit handlers run.

    \b
    Examples:
      bireme stop ci-x7k2p
      bireme stop approval-9d2xk --node-field-selector displayName=approve --message "not today"
    """
    _each(client, names, "stop", "stopped", **body)


@click.command("terminate", short_help="Stop workflows at once; exit handlers do not run.")
@click.argument("names", nargs=-1, required=True)
@options.engine
def terminate(client: Client, names: tuple[str, ...]) -> None:
    """Stop workflows at once; exit handlers do not run.

    \b
    Examples:
      bireme terminate ci-x7k2p
    """
    _each(client, names, "terminate", "terminated")


@click.command("suspend", short_help="Start no further steps until resumed.")
@click.argument("names", nargs=-1, required=True)
@options.engine
def suspend(client: Client, names: tuple[str, ...]) -> None:
    """Start no further steps; what runs, runs on.

    \b
    Examples:
      bireme suspend ci-x7k2p
    """
    _each(client, names, "suspend", "suspended")


@click.command("resume", short_help="Go on after a suspension.")
@click.argument("names", nargs=-1, required=True)
@options.engine
@_NODES
@options.outputs
def resume(client: Client, names: tuple[str, ...], outputs: tuple[str, ...], **body: Any) -> None:
    """Go on after a suspension, or answer one waiting step.

    \b
    Examples:
      bireme resume ci-x7k2p
      bireme resume release-4kq7d --node-field-selector displayName=approve --output-parameter answer=YES
    """
    values = options.pairs(outputs, "--output-parameter")
    if values and not body["nodeFieldSelector"]:
        raise click.UsageError(
            "--output-parameter needs --node-field-selector: whose output is it?"
        )
    for name in names if values else ():
        put(client, name, "set", {**body, "outputParameters": json.dumps(values)})
    _each(client, names, "resume", "resumed", **body)


@click.command("retry", short_help="Run the failed steps of a workflow again.")
@click.argument("names", nargs=-1, required=True)
@options.engine
@options.parameters
@_NODES
@click.option("--restart-successful", is_flag=True, help="Also the successful nodes selected.")
@click.option("-w", "--wait", "must_wait", is_flag=True, help="Wait until it has ended.")
@click.option("--watch", "must_watch", is_flag=True, help="Follow it until it has ended.")
def retry(
    client: Client,
    names: tuple[str, ...],
    parameters: tuple[str, ...],
    parameter_file: str | None,
    **asked: Any,
) -> None:
    """Run what failed again, in the same workflow; what succeeded is kept.

    \b
    Examples:
      bireme retry ci-x7k2p
      bireme retry ci-x7k2p -p commit=c0ffee --watch
    """
    body = {
        "parameters": options.given_parameters(parameters, parameter_file),
        "nodeFieldSelector": asked["nodeFieldSelector"],
        "restartSuccessful": asked["restart_successful"],
    }
    for name in names:
        done = put(client, name, "retry", body)
        click.echo(f"workflow {done['metadata']['name']} retried")
        after(client, done, asked)


@click.command("resubmit", short_help="Start a workflow again as a new one.")
@click.argument("names", nargs=-1, required=True)
@options.engine
@options.output
@options.parameters
@click.option("--memoized", is_flag=True, help="Keep the outputs of steps that succeeded.")
@click.option("-w", "--wait", "must_wait", is_flag=True, help="Wait until it has ended.")
@click.option("--watch", "must_watch", is_flag=True, help="Follow it until it has ended.")
def resubmit(
    client: Client,
    names: tuple[str, ...],
    form: str | None,
    parameters: tuple[str, ...],
    parameter_file: str | None,
    **asked: Any,
) -> None:
    """Start workflows again, as new ones with the same spec.

    \b
    Examples:
      bireme resubmit ci-x7k2p
      bireme resubmit ci-x7k2p -p commit=c0ffee -o name
      bireme resubmit ci-x7k2p --memoized     (after a failure: what succeeded is kept)
    """
    body = {
        "parameters": options.given_parameters(parameters, parameter_file),
        "memoized": asked["memoized"],
    }
    for name in names:
        done = put(client, name, "resubmit", body)
        if not output.items([done], form):
            click.echo(f"workflow {name} resubmitted as {done['metadata']['name']}")
        after(client, done, asked, form)


def after(
    client: Client, made: dict[str, Any], asked: Mapping[str, Any], form: str | None = None
) -> None:
    """Wait or watch when asked to; then the exit code is the workflow's. With a `form` the result has been printed,
    and standard output stays as it is."""
    if not (asked["must_wait"] or asked["must_watch"]):
        return
    name = made["metadata"]["name"]
    if asked["must_watch"]:
        found = watch.follow(client, name, watch.drawer(result_only=bool(form)))
    else:
        found = watch.until_over(client, name)
    if watch.phase_of(found) != "Succeeded":
        raise SystemExit(1)
