"""`bireme lint`."""

import sys

import click

from bireme.kit.errors import Problem
from server.cli import files, output, plugins


@click.command("lint", short_help="Check manifests without running anything.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True))
@click.option("--strict-argo", is_flag=True, help="Also name what Argo itself would not accept.")
@click.option("-o", "--output", "form", type=click.Choice(["pretty", "simple", "json", "yaml"]))
def lint(paths: tuple[str, ...], strict_argo: bool, form: str | None) -> None:
    """Check manifests: syntax, fields, references between files. Needs no engine; exits with 1 when something is wrong.

    \b
    Examples:
      bireme lint examples/
      bireme lint -o simple my-workflow.yaml
    """
    problems, count = problems_of(paths, strict_argo=strict_argo)
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


def problems_of(paths: tuple[str, ...], *, strict_argo: bool = False) -> tuple[list[Problem], int]:
    """The problems of all files taken together, and how many objects were looked at."""
    from bireme.kit import logs
    from bireme.manifests import lint
    from bireme.sandbox.run import Sandbox

    logs.configure(level="error")  # sources warn when they begin, which they do not here
    unread: list[Problem] = []
    texts = (entry for path in paths for entry in files.texts(path, unread))
    sandbox = Sandbox()
    try:
        problems, count = lint.lint(
            texts, strict_argo=strict_argo, scripts=sandbox, more=[plugins.problems]
        )
        return [*unread, *problems], count
    finally:
        sandbox.close()
