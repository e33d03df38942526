"""The expr language (version 1.17 as Argo uses it): text to closures, evaluated over plain dicts and lists only."""

from bireme.lang.expr.run import Expression, compile, eval_bool

__all__ = ["Expression", "compile", "eval_bool"]
