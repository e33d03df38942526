"""`bireme lint`."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from bireme.kit.errors import InvalidManifest, Problem
from server.cli import files, output
from server.objects import check
from server.objects.check import Checked


@click.command("lint", short_help="Check manifests without running anything.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True))
@click.option("-o", "--output", "form", type=click.Choice(["pretty", "simple", "json", "yaml"]))
def lint(paths: tuple[str, ...], form: str | None) -> None:
    """Check manifests: syntax, fields, references between files. Needs no engine; exits with 1 when something is wrong.

    \b
    Examples:
      bireme lint examples/
      bireme lint -o simple my-workflow.yaml
    """
    problems, count = problems_of(paths)
    if form in ("json", "yaml"):
        import msgspec

        output.values([msgspec.to_builtins(problem) for problem in problems], form)
    elif form == "simple":
        for problem in problems:
            click.echo(str(problem))
    else:
        files.complain(problems)
        if not problems:
            click.echo(f"✔ no linting errors found! ({count} object{'' if count == 1 else 's'})")
    sys.exit(1 if any(problem.severity == "error" for problem in problems) else 0)


def problems_of(paths: tuple[str, ...]) -> tuple[list[Problem], int]:
    """The problems of all files taken together, and how many objects were looked at."""
    problems: list[Problem] = []
    checked: list[Checked] = []
    for text, name in (entry for path in paths for entry in files.texts(path)):
        try:
            checked += check.text(text, name)
        except InvalidManifest as error:
            problems += error.problems
    templates = {one.key: one.manifest for one in checked}

    def template(kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        return templates.get((kind, namespace, name))

    for one in checked:
        if one.kind:
            problems += check.problems_in(one, template)
    return problems, len(checked)
