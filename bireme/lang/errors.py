"""What can go wrong in the small languages: the text is at fault, or a variable is not there (yet)."""

from bireme.kit.errors import UserError


class LangError(UserError):
    """A text does not parse or does not evaluate; `str()` is the message people see."""


class Refused(LangError):
    """An expression that cannot be right, whatever the values of its variables are."""


class MissingVariable(LangError):
    """A variable has no value in this scope; it may get one later, so the engine may wait for it."""


class AbsentOptional(LangError):
    """The output of a step that was skipped, without a default, is used where a value is needed. Waiting is no help."""


class OverBudget(LangError):
    """The evaluation would take more steps or more memory than one expression may."""
