"""Go's text templates with the sprig functions, as Argo Events offers them in `dataTemplate` and filters."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bireme.lang.errors import LangError

if TYPE_CHECKING:
    from gotpl import Template

FORBIDDEN = frozenset({"env", "expandenv", "getHostByName"})
"""Functions that would show the engine's own surroundings to an event's text."""

MOST = 1_000_000
"""Items or characters that one call may make."""


def render(text: str, data: Any) -> str:
    """The text that the template writes for `data`. Raises LangError with the template's own complaint."""
    import gotpl

    try:
        return str(_compiled(text).render(data))
    except (gotpl.TemplateError, gotpl.BudgetExceededError, gotpl.SandboxViolationError) as error:
        raise LangError(f"template: {error}") from error
    except (ArithmeticError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise LangError(f"template: {type(error).__name__}: {error}") from error


@lru_cache(maxsize=512)
def _compiled(text: str) -> "Template":
    import gotpl

    budget = gotpl.ExecutionBudget(
        max_output_chars=MOST,
        max_iterations=10_000,
        max_template_depth=100,
        max_function_calls=100_000,
    )
    return gotpl.Template(text, name="t", functions=functions(), budget=budget)


@lru_cache(maxsize=1)
def functions() -> Mapping[str, Callable[..., Any]]:
    """Sprig's functions without those that look at the system; those that could make too much are bounded."""
    from gotpl.funcs import sprig

    found = {name: call for name, call in sprig.generic_func_map().items() if name not in FORBIDDEN}
    for name, arguments in {"until": 1, "untilStep": 3, "seq": 3, "repeat": 1}.items():
        if name in found:
            found[name] = _bounded(name, found[name], arguments)
    return found


def _bounded(name: str, call: Callable[..., Any], arguments: int) -> Callable[..., Any]:
    def bounded(*given: Any) -> Any:
        for value in given[:arguments]:
            if isinstance(value, int | float) and abs(value) > MOST:
                raise LangError(f"{name} {value}: more than {MOST} is not allowed")
        return call(*given)

    return bounded
