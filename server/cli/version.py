"""`bireme version`."""

import json
import platform

import click

from bireme.kit.version import installed


@click.command("version", short_help="Print the version.")
@click.option("--short", is_flag=True, help="The number only.")
@click.option("-o", "--output", type=click.Choice(["json"]), help="Print as JSON.")
def version(short: bool, output: str | None) -> None:
    """Print the version of this program.

    \b
    Examples:
      bireme version
      bireme version --short
    """
    number = installed()
    if output:
        click.echo(json.dumps({"version": number, "python": platform.python_version()}))
    elif short:
        click.echo(number)
    else:
        click.echo(f"bireme {number} (Python {platform.python_version()})")
