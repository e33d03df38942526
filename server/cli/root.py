"""The command `bireme`: a table of commands whose modules are imported only when they are used."""

import errno
import importlib
import os
from typing import Any, ClassVar

import click

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Start": {
        "up": ("up", "Run everything; watch a directory and apply its manifests."),
        "run": ("run", "Run one workflow here, without a server."),
        "demo": ("demo", "See events become workflows: four use cases in one minute."),
        "send": ("send", "Send a realistic event to a running source."),
    },
    "Workflows": {
        "submit": ("submit", "Start a workflow from a file or a template."),
        "list": ("listing", "List workflows, running ones first."),
        "get": ("get", "Show one workflow with its tree of steps."),
        "watch": ("watch", "Follow the tree of a workflow until it ends."),
        "wait": ("watch", "Wait until workflows have ended."),
        "logs": ("logs", "Print what the steps of a workflow printed."),
        "stop": ("operations", "Stop workflows; exit handlers still run."),
        "terminate": ("operations", "Stop workflows at once; exit handlers do not run."),
        "suspend": ("operations", "Start no further steps until resumed."),
        "resume": ("operations", "Go on after a suspension."),
        "retry": ("operations", "Run the failed steps of a workflow again."),
        "resubmit": ("operations", "Start a workflow again as a new one."),
        "node": ("node", "Give a waiting step its outputs, or its end."),
        "memo": ("memo", "Look at the caches of memoized steps, clear them."),
        "sync": ("sync", "Keep the limits of semaphores in the database."),
        "archive": ("archive", "Search finished workflows, run them again."),
    },
    "Manifests": {
        "apply": ("apply", "Create or change objects from manifests."),
        "delete": ("delete", "Delete workflows, or other objects as KIND/NAME."),
        "lint": ("lint", "Check manifests without running anything."),
        "schema": ("schema", "Print the JSON Schema of a kind, for editors."),
        "cron": ("cron", "List, show, suspend and resume CronWorkflows."),
        "kinds": ("kinds", "List every kind of source, filter, trigger, backend."),
    },
    "Events": {
        "events": ("events", "List, show and follow accepted events."),
        "sensors": ("sensors", "List and show sensors and what they decided."),
        "held": ("held", "Release or discard firings that a breaker holds."),
        "dlq": ("dlq", "Dead firings and failed events: drive again or discard."),
        "explain": ("explain", "Say why something did or did not happen."),
    },
    "Other": {
        "completion": ("completion", "Print the shell's completion script."),
        "version": ("version", "Print the version."),
    },
}


INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def _wants_no_colours() -> bool:
    """By NO_COLOR (https://no-color.org), or because the terminal can do nothing."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


class LazyGroup(click.Group):
    """A group that knows names and one-line help by heart and imports a command's module when it is called."""

    modules: ClassVar[dict[str, tuple[str, str]]] = {
        name: entry for section in SECTIONS.values() for name, entry in section.items()
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.modules:
            return None
        module = importlib.import_module(f"server.cli.{self.modules[cmd_name][0]}")
        command = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in entries.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it; what a person did or met becomes a sentence, never a traceback."""
        ctx.color = False if _wants_no_colours() else None
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise click.ClickException(f"the output cannot be written: {error.strerror}") from error
        except Exception as error:
            from bireme.kit.errors import BiremeError

            if not isinstance(error, BiremeError):
                raise
            raise click.ClickException(str(error)) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, and with the nearest name when there is no such command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.modules, n=1)
            if not near:
                raise
            raise click.UsageError(
                f"no command '{args[0]}'; did you mean '{near[0]}'?", ctx
            ) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def bireme() -> None:
    """Events in, workflows out, in one process.

    Start with `bireme demo`, or with `bireme up DIR` on your own manifests. Commands that ask a running engine find
    the local one by themselves, or take --server URL and --token T (ARGO_SERVER, ARGO_TOKEN).
    """
