"""`bireme submit`."""

from typing import Any

import click

from server.cli import files, get, operations, options, output
from server.cli.client import Client


@click.command("submit", short_help="Start a workflow from a file or a template.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@options.engine
@options.output
@options.parameters
@click.option(
    "--from", "source", default="", help="Start from cronwf/NAME, wftmpl/NAME or cwft/NAME."
)
@click.option("--name", default="", help="Name of the workflow.")
@click.option("--generate-name", "generateName", default="", help="Begin of the name.")
@click.option("--entrypoint", "entryPoint", default="", help="Another entrypoint.")
@click.option("-l", "--labels", default="", help="Labels as a=1,b=2.")
@click.option("--priority", type=int, default=None, help="Priority among waiting workflows.")
@click.option("--serviceaccount", "serviceAccount", default="", help="Service account name.")
@click.option("--server-dry-run", "is_dry", is_flag=True, help="Check and show it, start nothing.")
@click.option("-w", "--wait", "must_wait", is_flag=True, help="Wait until it has ended.")
@click.option("--watch", "must_watch", is_flag=True, help="Follow it until it has ended.")
def submit(
    client: Client,
    paths: tuple[str, ...],
    form: str | None,
    parameters: tuple[str, ...],
    parameter_file: str | None,
    **asked: Any,
) -> None:
    """Start workflows: from files, or from something that is applied.

    \b
    Examples:
      bireme submit my-workflow.yaml -p message=hello --watch
      bireme submit --from cronwf/nightly
      bireme submit --from wftmpl/ci -p commit=c0ffee
    """
    wishes = {key: asked[key] for key in _WISHES if asked[key] not in ("", None)}
    wishes["parameters"] = options.given_parameters(parameters, parameter_file)
    source, is_dry = asked["source"], asked["is_dry"]
    made = _from_source(client, source, wishes, is_dry) if source else []
    for path in paths:
        made += [_create(client, m, wishes, is_dry) for m in files.workflows(path)]
    if not (paths or source):
        raise click.UsageError(
            "give a FILE with a workflow, or --from cronwf/NAME|wftmpl/NAME|cwft/NAME"
        )
    if not output.items(made, form):
        for item in made:
            get.show(item)
    for item in made:
        operations.after(client, item, asked, form)


_WISHES = ("name", "generateName", "entryPoint", "labels", "priority", "serviceAccount")


def _from_source(client: Client, source: str, asked: dict[str, Any], is_dry: bool) -> list[Any]:
    kind, _, name = source.partition("/")
    if not name:
        raise click.BadParameter(f"expected KIND/NAME, found '{source}'", param_hint="--from")
    if is_dry:
        asked = {**asked, "serverDryRun": True}
    body = {"resourceKind": kind, "resourceName": name, "submitOptions": asked}
    return [client.call("POST", f"/api/v1/workflows/{client.namespace}/submit", body)]


def _create(client: Client, manifest: dict[str, Any], asked: dict[str, Any], is_dry: bool) -> Any:
    """Options are applied here, as Argo's own command does, so that any server understands the result."""
    import msgspec

    from controller import submission
    from controller.submission import SubmitOptions

    options_ = msgspec.convert(asked, SubmitOptions)
    namespace = (manifest.get("metadata") or {}).get("namespace") or client.namespace
    body = {"workflow": submission.apply_options(manifest, options_), "serverDryRun": is_dry}
    return client.call("POST", f"/api/v1/workflows/{namespace}", body)
