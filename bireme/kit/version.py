"""Which Bireme this is."""


def installed() -> str:
    """The version of the package, as it was installed."""
    # What reads it costs every start 10 ms, and few ask.
    from importlib.metadata import version

    return version("bireme")
