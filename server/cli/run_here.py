"""What `bireme run` does once it has to: kept apart so that asking for help imports none of it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import click

from bireme.kit import logs
from bireme.kit.errors import BiremeError, InvalidManifest
from controller import submission
from server import settings
from server.cli import files, get, options, output, watch
from server.objects.check import Checked
from server.onerun import Ended, OneRun

Json = dict[str, Any]


def run(path: str, form: str | None, asked: Json) -> int:
    """Run every workflow of the file, one after the other; 0 only if all succeeded."""
    logs.configure(level=asked["log_level"])
    found = files.read(path, asked["namespace"])
    beside = [one for other in asked["beside"] for one in files.read(other, asked["namespace"])]
    support = [one for one in (*beside, *found) if one.kind != "Workflow"]
    chosen = [_from(asked["source"], support)] if asked["source"] else _workflows(path, found)
    wishes = submission.SubmitOptions(
        name=asked["name"],
        entry_point=asked["entryPoint"],
        parameters=options.given_parameters(asked["parameters"], asked["parameter_file"]),
    )
    results = [_one(one, support, wishes, form, asked["with_logs"]) for one in chosen]
    ended = [result for result in results if result is not None]
    _print(ended, form)
    succeeded = [one for one in ended if watch.phase_of(one) == "Succeeded"]
    return 0 if len(succeeded) == len(chosen) else 1


def _one(
    one: Checked,
    support: list[Checked],
    wishes: submission.SubmitOptions,
    form: str | None,
    with_logs: bool,
) -> Json | None:
    draw = watch.drawer(result_only=form in ("json", "yaml", "name"), lines=with_logs)
    printed = _print_output if with_logs else None
    job = OneRun(settings.from_environment(), support, draw.show, printed)
    try:
        ended = asyncio.run(job.run(one.manifest, wishes))
    except InvalidManifest as error:
        files.complain(one.problems_of(error))
        return None
    except BiremeError as error:
        raise click.ClickException(str(error)) from error
    draw.close(ended.workflow)
    _print_last_words(ended)
    return ended.workflow


def _workflows(path: str, found: list[Checked]) -> list[Checked]:
    chosen = [one for one in found if one.kind == "Workflow"]
    if chosen:
        return chosen
    sources = {
        "WorkflowTemplate": "wftmpl",
        "ClusterWorkflowTemplate": "cwft",
        "CronWorkflow": "cronwf",
    }
    hints = [
        f"bireme run {path} --from {sources[o.kind]}/{o.name}" for o in found if o.kind in sources
    ]
    advice = "Run one of its objects: " + "; ".join(hints) if hints else "Nothing in it can be run."
    raise click.ClickException(f"{path} holds no Workflow. {advice}")


def _from(source: str, support: list[Checked]) -> Checked:
    kind, name = submission.parse_from(source)
    for one in support:
        if one.kind == kind and one.name == name:
            return Checked("Workflow", one.namespace or "default", name, _made(one), {}, one.file)
    known = ", ".join(f"{one.kind}/{one.name}" for one in support) or "nothing"
    raise click.ClickException(f"there is no {kind} '{name}' in the files given; they hold {known}")


def _made(one: Checked) -> Json:
    if one.kind == "CronWorkflow":
        return submission.from_cron(one.manifest, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return submission.from_template(one.kind, one.namespace or "default", one.name)  # type: ignore[arg-type]


def _print_output(step: str, data: bytes) -> None:
    for line in data.decode("utf-8", "replace").splitlines():
        click.echo(f"{click.style(step, fg='cyan')}: {line}", err=True)


def _print_last_words(ended: Ended) -> None:
    for step, lines in ended.last_words.items():
        if lines:
            title = click.style(f"the last lines of {step}:", bold=True)
            click.echo("\n".join([title, *("  " + line for line in lines)]), err=True)


def _print(ended: list[Json], form: str | None) -> None:
    if form in ("json", "yaml") and ended:
        output.values(ended[0] if len(ended) == 1 else ended, form)
    elif form == "name":
        output.items(ended, form)
    elif form == "wide":
        for workflow in ended:
            get.show(workflow, wide=True)
