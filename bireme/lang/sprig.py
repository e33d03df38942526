"""Sprig's functions for expressions and templates: without those that look at the machine, with caps on size.

The library behind them is imported on first use: it costs a third of a second and 45 MB.
"""

import re
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime, timedelta
from functools import cache, wraps
from inspect import signature, unwrap
from itertools import chain, repeat
from typing import Any, Final

from bireme.lang.errors import LangError, OverBudget
from bireme.lang.expr.times import Duration, Time
from bireme.lang.expr.values import Allowance

_SPACES: Final = re.compile("[\t-\r \x85\xa0]+")
_REFUSED: Final = ("env", "expandenv", "getHostByName")
_SIZED: Final = frozenset(
    [
        "until",
        "untilStep",
        "seq",
        "repeat",
        "indent",
        "nindent",
        "randAlpha",
        "randAlphaNum",
        "randNumeric",
        "randAscii",
        "randBytes",
    ]
)
MAX_SIZE: Final = 100_000
MAX_SEARCHED: Final = 20_000
Function = Callable[..., Any]
_ZERO: Final[Mapping[str, Any]] = {"str": "", "int": 0, "float": 0.0, "dict": {}}


@cache
def for_templates() -> Mapping[str, Function]:
    """The functions as the template engine calls them."""
    from gotpl.funcs.sprig import text_func_map

    found = {**text_func_map(), "nospace": _nospace, "initials": _initials}
    return {
        name: _with_nil(_bounded(name, function))
        for name, function in found.items()
        if name not in _REFUSED
    }


# The library behind Sprig takes every byte for a character here, and leaves `Ã©` of an `é`.


def _nospace(text: str) -> str:
    return "".join(_SPACES.split(text))


def _initials(text: str) -> str:
    return "".join(word[:1] for word in _SPACES.split(text))


@cache
def functions() -> Mapping[str, Function]:
    """The functions as expressions call them: plain values in and out, failures as LangError."""
    return {name: _plain(name, function) for name, function in for_templates().items()}


def _with_nil(function: Function) -> Function:
    """What is missing is nil to a function that takes anything: `toJson` of it is `null`. Others refuse it.

    Nor does the engine hand on what is missing at the head of a longer pipeline.
    """
    from gotpl.runtime.values import INVALID

    plain = [kind in ("str", "int", "float", "bool") for kind in _kinds(function)]
    takes_one_of_any = plain == [False] and not any(
        parameter.kind is parameter.VAR_POSITIONAL
        for parameter in signature(unwrap(function)).parameters.values()
    )

    @wraps(function)
    def call(*args: Any) -> Any:
        if takes_one_of_any and not args:
            return function(None)
        if any(arg is INVALID for arg in args):
            given = zip(args, chain(plain, repeat(False)), strict=False)
            args = tuple(None if arg is INVALID and not strict else arg for arg, strict in given)
        return function(*args)

    return call


def _bounded(name: str, function: Function) -> Function:
    if name in _SIZED:
        return _capped(name, function)
    return _brief(name, function) if name.startswith(("regex", "mustRegex")) else function


def _brief(name: str, function: Function) -> Function:
    """The library's regular expressions take some 25 us a character: long texts are refused."""

    @wraps(function)
    def call(*args: Any) -> Any:
        if any(len(arg) > MAX_SEARCHED for arg in args if isinstance(arg, str)):
            raise OverBudget(f"{name}: a text longer than {MAX_SEARCHED} characters is refused")
        return function(*args)

    return call


def _capped(name: str, function: Function) -> Function:
    """Refuses to make something huge out of a small text."""

    @wraps(function)
    def call(*args: Any) -> Any:
        size = sum(abs(arg) for arg in args if isinstance(arg, (int, float)))
        longest = max((len(arg) for arg in args if isinstance(arg, str)), default=1)
        if size > MAX_SIZE or (name == "repeat" and size * longest > 100 * MAX_SIZE):
            raise OverBudget(f"{name}: more than {MAX_SIZE} is refused")
        return function(*args)

    return call


def _plain(name: str, function: Function) -> Function:
    from gotpl import FunctionResult

    zeros = _zeros(function)

    def call(*args: Any) -> Any:
        if None in args:
            args = _without_nil(args, zeros)
        try:
            found = function(*map(_inward, args))
        except LangError:
            raise
        except Exception as error:  # noqa: BLE001 - a foreign engine: whatever it raises is the text's fault
            raise LangError(f"sprig.{name}: {error}") from None
        if isinstance(found, FunctionResult):
            if found.error is not None:
                raise LangError(f"sprig.{name}: {found.error}")
            found = found.value
        return _outward(found)

    return call


def _zeros(function: Function) -> list[Any]:
    """Of each parameter what stands for nil in a call: Go gives the zero value of the type. None where any will do."""
    return [_ZERO.get(kind) for kind in _kinds(function)]


def _kinds(function: Function) -> list[str]:
    """The declared type of each parameter, without what stands in brackets."""
    parameters = signature(unwrap(function)).parameters.values()
    return [str(parameter.annotation).partition("[")[0] for parameter in parameters]


def _without_nil(args: tuple[Any, ...], zeros: list[Any]) -> tuple[Any, ...]:
    given = zip(args, chain(zeros, repeat(None)), strict=False)
    return tuple(copy(zero) if arg is None else arg for arg, zero in given)


def _inward(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        _measure(value, Allowance())
        return value
    if isinstance(value, Time):
        return value.at
    if isinstance(value, Duration):
        return timedelta(microseconds=int(value) / 1000)
    return value


def _measure(value: Any, allowance: Allowance) -> None:
    """Raises OverBudget for a value with more elements than one call may look at."""
    allowance.take(len(value))
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (list, dict)):
            _measure(item, allowance)


def _outward(value: Any) -> Any:
    """Ours for theirs: plain lists, dicts and times. What is none of these can be passed on but not looked into."""
    if isinstance(value, datetime):
        return Time(value)
    if isinstance(value, timedelta):
        return Duration(value // timedelta(microseconds=1) * 1000)
    if isinstance(value, (list, tuple)):
        return [_outward(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _outward(item) for key, item in value.items()}
    return value
