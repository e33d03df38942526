"""How verdicts combine: entries within one filter, and filters within one dependency, exactly as upstream."""

from collections.abc import Callable, Iterable, Sequence

from sensors.model import Check, Verdict
from sensors.view import View

Judge = Callable[[View], Verdict]
PASS = Verdict(True)


def entry(kind: str, operator: str, check: Check) -> Verdict:
    """`entries` for the one entry that most filters have."""
    if check.passed:
        return Verdict(True, checks=(check,))
    if check.error:
        return entries(kind, operator, (check,))
    return Verdict(False, "", reason(check), check.path, (check,))


def entries(kind: str, operator: str, checks: Iterable[Check]) -> Verdict:
    """Combine the entries of one filter; `checks` is lazy, so that what is not reached is not evaluated.

    `and`: the first false or the first error decides. `or`: the first true decides and forgives earlier errors; if
    nothing is true, the errors are collected.
    """
    return _first_true(kind, checks) if operator == "or" else _all_true(kind, checks)


def _all_true(kind: str, checks: Iterable[Check]) -> Verdict:
    seen = []
    for check in checks:
        seen.append(check)
        if not check.passed:
            error = f"{kind} filter error ({check.error})" if check.error else ""
            return Verdict(False, error, error or reason(check), check.path, tuple(seen))
    return Verdict(True, checks=tuple(seen))


def _first_true(kind: str, checks: Iterable[Check]) -> Verdict:
    seen = []
    for check in checks:
        seen.append(check)
        if check.passed:
            return Verdict(True, checks=tuple(seen))
    errors = [check.error for check in seen if check.error]
    if errors:
        error = f"{kind} filter errors [{' / '.join(errors)}]"
        return Verdict(False, error, error, seen[0].path, tuple(seen))
    path = seen[0].path if seen else ""
    return Verdict(False, "", "; ".join(map(reason, seen)) or "no entry holds", path, tuple(seen))


def reason(check: Check) -> str:
    """The sentence for people: what was found and what was wanted."""
    return f"{check.field} is {check.saw}, wanted {check.wanted}" if check.field else check.wanted


def every(judges: Sequence[Judge]) -> Judge:
    """All filters must pass. An error ends the evaluation; a plain false does not, so that later errors show."""
    if not judges:
        return lambda view: PASS
    if len(judges) == 1:
        return judges[0]

    def judge(view: View) -> Verdict:
        refusal: Verdict | None = None
        checks: tuple[Check, ...] = ()
        for ask in judges:
            verdict = ask(view)
            checks += verdict.checks
            if verdict.error:
                return Verdict(False, verdict.error, verdict.reason, verdict.path, checks)
            if not verdict.passed and refusal is None:
                refusal = verdict
        if refusal is None:
            return Verdict(True, checks=checks)
        return Verdict(False, "", refusal.reason, refusal.path, checks)

    return judge


def some(judges: Sequence[Judge]) -> Judge:
    """One filter must pass, yet an error in any of them is kept: between filters upstream forgives none."""

    def judge(view: View) -> Verdict:
        verdicts = [ask(view) for ask in judges]
        checks = tuple(check for verdict in verdicts for check in verdict.checks)
        errors = " / ".join(verdict.error for verdict in verdicts if verdict.error)
        passed = any(verdict.passed for verdict in verdicts)
        refused = [verdict for verdict in verdicts if not verdict.lets_pass]
        path = next((v.path for v in refused if v.error), refused[0].path if refused else "")
        text = errors or "; ".join(v.reason for v in refused) or "no filter is set"
        return Verdict(passed, errors, text, path, checks)

    return judge
