"""`bireme demo`."""

import sys

import click

from server import lean


@click.command("demo", short_help="See events become workflows: four use cases in one minute.")
@click.option(
    "--once", is_flag=True, help="End after the tour; the exit code tells whether all went well."
)
@click.option(
    "--stand-ins", is_flag=True, help="No Kafka broker, no S3: a webhook and a directory instead."
)
@click.option(
    "--keep", type=click.Path(file_okay=False), help="Keep manifests and data in this directory."
)
def demo(once: bool, stand_ins: bool, keep: str | None) -> None:
    """Start an engine with four use cases, send events, and show the workflows they start.

    A GitHub push starts CI, an upload to S3 starts ETL, a schedule starts a report, Kafka messages start pipelines;
    the broker and the store come with bireme[demo]. In a terminal the engine stays up afterwards, to explore; with
    --once, or without a terminal, it ends.

    \b
    Examples:
      bireme demo
      bireme demo --once
    """
    lean.import_libraries()
    from server.cli import demo_engine

    sys.exit(
        demo_engine.run(stays=not once and sys.stdout.isatty(), servers=not stand_ins, keep=keep)
    )
