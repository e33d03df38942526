"""Manifests from files for commands: parsed here, so that complaints name file and line before anything is sent."""

import sys
from pathlib import Path
from typing import Any

import click

from bireme.kit.errors import InvalidManifest, Problem
from server.objects import check
from server.objects.directory import walk

_LARGEST_BYTES = 64 * 2**20


def read(path: str, namespace: str = "default") -> list[check.Checked]:
    """The manifests of a file, of all files below a directory, or of standard input (`-`). Exits with complaints."""
    try:
        if path == "-":
            return check.text(sys.stdin.read(), "standard input", namespace)
        found: list[check.Checked] = []
        for file in walk(Path(path)) if Path(path).is_dir() else [Path(path)]:
            found += check.file(file, _LARGEST_BYTES, namespace)
        return found
    except InvalidManifest as error:
        complain(error.problems)
        sys.exit(1)


def workflows(path: str) -> list[dict[str, Any]]:
    """The workflows of a file as plain manifests; the other objects in it are named and left alone."""
    found = read(path)
    chosen = [one.manifest for one in found if one.kind == "Workflow"]
    others = [one for one in found if one.kind != "Workflow"]
    if others and not chosen:
        named = ", ".join(one.title for one in others)
        raise click.ClickException(
            f"{path} holds no Workflow but {named}. Put it in place with 'bireme apply {path}',"
            " then start it with 'bireme submit --from KIND/NAME'."
        )
    for one in others:
        click.echo(f"{path}: {one.title} is not submitted; apply it with 'bireme apply'", err=True)
    return chosen


def complain(problems: list[Problem]) -> None:
    """Each complaint on standard error, with what to do."""
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        label = click.style(problem.severity, fg=colour, bold=True)
        click.echo(f"{label}: {problem}", err=True)
        if problem.found or problem.expected:
            found = f"found {problem.found}" if problem.found else ""
            expected = f"expected {problem.expected}" if problem.expected else ""
            click.echo("  " + ", ".join(part for part in (found, expected) if part), err=True)
