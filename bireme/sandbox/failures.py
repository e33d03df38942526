"""What a program can do wrong, as the child's engines say it."""


class Failed(Exception):
    """The program does not compile or failed; the text is the language's own."""


class TooMuch(Exception):
    """The program put out more, or held more, than it may."""
