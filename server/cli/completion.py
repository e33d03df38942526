"""`bireme completion SHELL`."""

import click

_HOW = {
    "bash": 'eval "$(bireme completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(bireme completion zsh)"   # in ~/.zshrc',
    "fish": "bireme completion fish > ~/.config/fish/completions/bireme.fish",
}


@click.command("completion", short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(list(_HOW)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      eval "$(bireme completion bash)"
      bireme completion fish > ~/.config/fish/completions/bireme.fish
    """
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    assert maker is not None
    root = ctx.find_root().command
    click.echo(maker(root, {}, "bireme", "_BIREME_COMPLETE").source())
