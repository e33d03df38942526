"""`bireme run`: one workflow here and now, without an engine."""

import sys
from typing import Any

import click

from server import lean
from server.cli import options


@click.command("run", short_help="Run one workflow here, without a server.")
@click.argument(
    "path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@options.output
@options.parameters
@click.option("--with", "beside", multiple=True, help="Another file with templates or config maps.")
@click.option(
    "--from", "source", default="", help="Run wftmpl/NAME, cwft/NAME or cronwf/NAME of FILE."
)
@click.option("--entrypoint", "entryPoint", default="", help="Another entrypoint.")
@click.option("--name", default="", help="Name of the workflow.")
@click.option("-n", "--namespace", default="default", help="Namespace of the workflow.")
@click.option("--log", "with_logs", is_flag=True, help="Also print what the steps print.")
@click.option(
    "--log-level", default="warning", type=click.Choice(["debug", "info", "warning", "error"])
)
def run(path: str, form: str | None, **asked: Any) -> None:
    """Run the workflow in FILE in this process; templates and config maps in FILE are at its disposal.

    Steps are processes of this machine. The exit code is 0 only if the workflow succeeded. Ctrl-C ends the steps.

    \b
    Examples:
      bireme run hello.yaml
      bireme run hello.yaml -p message=hello -o json | jq .status.outputs
      bireme run templates.yaml --from wftmpl/ci --log
    """
    lean.import_libraries()
    from server.cli import run_here

    sys.exit(run_here.run(path, form, asked))
