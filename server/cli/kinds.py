"""`bireme kinds`: every plugin there is, ours and others'."""

import click

from server import families
from server.cli import output


@click.command("kinds", short_help="List every kind of source, filter, trigger, backend.")
@click.option("-o", "--output", "form", type=click.Choice(["json", "yaml"]))
def kinds(form: str | None) -> None:
    """List every registered plugin by family, with the names that manifests use.

    \b
    Examples:
      bireme kinds
      bireme kinds -o json
    """
    found = families.kinds()
    if form:
        output.values(found, form)
        return
    rows = [[family, ", ".join(names)] for family, names in found.items()]
    output.table(["FAMILY", "KINDS"], rows)
