"""`bireme lint`."""

import sys

import click

from bireme.kit.errors import Problem
from server.cli import files, output


@click.command("lint", short_help="Check manifests without running anything.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option("-o", "--output", "form", type=click.Choice(["pretty", "simple", "json", "yaml"]))
@click.option(
    "--strict-argo", is_flag=True, help="Also name every field Argo itself would not accept."
)
def lint(paths: tuple[str, ...], form: str | None, strict_argo: bool) -> None:
    """Check manifests: syntax, fields, references between files. Needs no engine; exits with 1 when something is wrong.

    \b
    Examples:
      bireme lint examples/
      bireme lint -o simple my-workflow.yaml
    """
    problems, count = check(paths)
    errors = [problem for problem in problems if problem.severity == "error"]
    if form in ("json", "yaml"):
        import msgspec

        output.values([msgspec.to_builtins(problem) for problem in problems], form)
    elif form == "simple":
        for problem in problems:
            click.echo(str(problem))
    else:
        files.complain(problems)
        if not problems:
            click.echo(f"✔ no linting errors found in {count} object{'' if count == 1 else 's'}!")
    sys.exit(1 if errors else 0)


def check(paths: tuple[str, ...]) -> tuple[list[Problem], int]:
    """The problems of all files taken together, and how many objects were looked at."""
    from bireme.manifests import lint as rules

    texts = [entry for path in paths for entry in files.texts(path)]
    return rules.lint(texts)
