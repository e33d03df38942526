"""The process's front door: `bireme ...` and `python -m server ...`."""


def main() -> None:
    """Run the command line; never returns normally."""
    from server.cli.root import bireme

    bireme(prog_name="bireme")


if __name__ == "__main__":
    main()
