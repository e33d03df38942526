"""Tokens to a tree: operator precedence by binding powers."""

import math
from typing import Final

from bireme.lang.errors import LangError
from bireme.lang.expr import nodes as n
from bireme.lang.expr.grammar import BINARY, BUILTINS, NEGATABLE, ORDER, PREDICATES, RIGHT, UNARY
from bireme.lang.expr.lexer import Token, error_at, tokenize

MAX_NODES: Final = 10_000
MAX_DEPTH: Final = 150


def parse(text: str, overridden: frozenset[str] = frozenset()) -> n.Node:
    """The tree of `text`. `overridden` names are the environment's even where the language has a function so called."""
    return _Parser(text, overridden).whole()


class _Parser:
    """Walks the tokens once; `depth` counts the predicates we are in, `level` the nesting."""

    def __init__(self, text: str, overridden: frozenset[str]) -> None:
        self.text = text
        self.overridden = overridden
        self.tokens = tokenize(text)
        if len(self.tokens) > MAX_NODES:
            raise LangError(f"the expression is longer than {MAX_NODES} tokens; split it")
        self.i = 0
        self.depth = 0
        self.level = 0

    @property
    def now(self) -> Token:
        return self.tokens[self.i]

    def step(self) -> Token:
        token = self.tokens[self.i]
        if token.kind != "end":
            self.i += 1
        return token

    def sees(self, *texts: str) -> bool:
        token = self.tokens[self.i]
        return token.text in texts and token.kind in ("op", "bracket")

    def expect(self, text: str) -> Token:
        if not self.sees(text):
            raise self.unexpected()
        return self.step()

    def name(self) -> Token:
        if self.now.kind != "name":
            raise self.unexpected()
        return self.step()

    def unexpected(self) -> LangError:
        return error_at(self.text, self.now.at, f"unexpected token {self.now}")

    def whole(self) -> n.Node:
        tree = self.sequence()
        if self.now.kind != "end":
            raise self.unexpected()
        return tree

    def sequence(self) -> n.Node:
        at = self.now.at
        items = [self.expression(0)]
        while self.sees(";"):
            self.step()
            if self.now.kind == "end":
                break
            items.append(self.expression(0))
        return items[0] if len(items) == 1 else n.Sequence(tuple(items), at)

    def expression(self, power: int) -> n.Node:
        self.level += 1
        if self.level > MAX_DEPTH:
            raise error_at(self.text, self.now.at, f"nested more than {MAX_DEPTH} deep")
        tree = self._expression(power)
        self.level -= 1
        return tree

    def _expression(self, power: int) -> n.Node:
        if power == 0 and self.sees("let"):
            return self.let()
        if power == 0 and self.sees("if"):
            return self.if_else()
        tree = self.operators(self.primary(), power)
        return self.conditional(tree) if power == 0 else tree

    def operators(self, left: n.Node, power: int) -> n.Node:
        before = ""
        while self.now.kind == "op":
            negated = self.now.text == "not"
            token = self.tokens[self.i + 1] if negated else self.now
            if negated and token.text not in NEGATABLE:
                raise error_at(self.text, token.at, f"unexpected token {token}")
            binds = BINARY.get(token.text, -1)
            if token.kind != "op" or binds < power:
                break
            self.i += 2 if negated else 1
            left = self.one_operator(left, token, binds, before)
            if negated:
                left = n.Unary("not", left, token.at)
            before = token.text
        return left

    def one_operator(self, left: n.Node, token: Token, binds: int, before: str) -> n.Node:
        op = token.text
        if op == "|":
            return self.postfix(self.call(self.name(), (left,)))
        if before == "??" and op != "??":
            raise error_at(
                self.text,
                token.at,
                f"Operator ({op}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses.",
            )
        if op in ORDER:
            return self.comparison(left, token, binds)
        return n.Binary(op, left, self.expression(binds if op in RIGHT else binds + 1), token.at)

    def comparison(self, left: n.Node, token: Token, binds: int) -> n.Node:
        """`a < b < c` means `a < b && b < c`."""
        tree: n.Node | None = None
        while True:
            right = self.expression(binds + 1)
            one = n.Binary(token.text, left, right, token.at)
            tree = one if tree is None else n.Binary("&&", tree, one, token.at)
            if not self.sees(*ORDER):
                return tree
            left, token = right, self.step()

    def conditional(self, test: n.Node) -> n.Node:
        while self.sees("?"):
            at = self.step().at
            if self.sees(":"):
                self.step()
                test = n.Conditional(test, test, self.expression(0), at)
                continue
            yes = self.expression(0)
            self.expect(":")
            test = n.Conditional(test, yes, self.expression(0), at)
        return test

    def let(self) -> n.Node:
        self.step()
        name = self.name()
        self.expect("=")
        value = self.expression(0)
        self.expect(";")
        return n.Let(name.text, value, self.sequence(), name.at)

    def if_else(self) -> n.Node:
        at = self.step().at
        test = self.expression(0)
        yes = self.block()
        self.expect("else")
        no = self.if_else() if self.sees("if") else self.block()
        return n.Conditional(test, yes, no, at)

    def block(self) -> n.Node:
        self.expect("{")
        body = self.sequence()
        self.expect("}")
        return body

    def primary(self) -> n.Node:
        token = self.now
        if token.kind == "op" and token.text in UNARY:
            self.step()
            return self.postfix(n.Unary(token.text, self.expression(UNARY[token.text]), token.at))
        if self.sees("("):
            self.step()
            inner = self.sequence()
            self.expect(")")
            return self.postfix(inner)
        if self.depth and self.sees("#", "."):
            return self.postfix(self.pointer())
        if self.sees("::"):
            self.step()
            return self.postfix(self.call(self.name(), ()))
        return self.secondary(token)

    def pointer(self) -> n.Node:
        at = self.now.at
        if self.sees("."):  # the dot is left for postfix: `.field` is `#.field`
            return n.Pointer("", at)
        self.step()
        return n.Pointer(self.step().text if self.now.kind == "name" else "", at)

    def secondary(self, token: Token) -> n.Node:
        if token.kind == "name":
            return self.identifier(self.step())
        if token.kind == "number":
            self.step()
            return n.Constant(self.number(token), token.at)
        if token.kind == "string":
            self.step()
            return self.postfix(n.Constant(token.text, token.at))
        if self.sees("["):
            return self.postfix(self.array())
        if self.sees("{"):
            return self.postfix(self.map())
        raise self.unexpected()

    def identifier(self, token: Token) -> n.Node:
        if token.text in ("true", "false", "nil"):
            return n.Constant({"true": True, "false": False}.get(token.text), token.at)
        if self.sees("("):
            return self.postfix(self.call(token, ()))
        return self.postfix(n.Name(token.text, token.at))

    def number(self, token: Token) -> int | float:
        text = token.text.replace("_", "").lower()
        base = {"0x": 16, "0o": 8, "0b": 2}.get(text[:2], 10)
        try:
            if base == 10 and ("." in text or "e" in text):
                return self.finite(float(text), token)
            value = int(text, base)
        except ValueError:
            value = 1 << 64
        if value >= 1 << 63:
            raise error_at(self.text, token.at, f"invalid number literal: {token.text}")
        return value

    def finite(self, value: float, token: Token) -> float:
        if math.isinf(value):
            raise error_at(self.text, token.at, f"invalid float literal: {token.text}")
        return value

    def call(self, token: Token, args: tuple[n.Node, ...]) -> n.Node:
        name, at = token.text, token.at
        if name in PREDICATES and name not in self.overridden:
            return n.Builtin(name, self.predicate_arguments(PREDICATES[name], args), at)
        if name in BUILTINS and name not in self.overridden:
            return n.Builtin(name, self.arguments(args), at)
        return n.Call(n.Name(name, at), self.arguments(args), at)

    def arguments(self, given: tuple[n.Node, ...]) -> tuple[n.Node, ...]:
        self.expect("(")
        args: list[n.Node] = []
        while not self.sees(")"):
            if args:
                self.expect(",")
                if self.sees(")"):
                    break
            args.append(self.expression(0))
        self.expect(")")
        return given + tuple(args)

    def predicate_arguments(self, kinds: str, given: tuple[n.Node, ...]) -> tuple[n.Node, ...]:
        self.expect("(")
        args: list[n.Node] = []
        for kind in kinds[len(given) :]:
            if kind.isupper() and self.sees(")"):
                break
            if args:
                self.expect(",")
            args.append(self.predicate() if kind in "pP" else self.expression(0))
        if self.sees(","):
            self.step()
        self.expect(")")
        return given + tuple(args)

    def predicate(self) -> n.Node:
        at = self.now.at
        self.depth += 1
        if self.sees("{"):
            body = self.block()
        else:
            body = self.expression(0)
            if self.sees(";"):
                raise error_at(self.text, self.now.at, "wrap predicate with brackets { and }")
        self.depth -= 1
        return n.Predicate(body, at)

    def array(self) -> n.Node:
        at = self.expect("[").at
        items: list[n.Node] = []
        while not self.sees("]"):
            if items:
                self.expect(",")
                if self.sees("]"):
                    break
            items.append(self.expression(0))
        self.expect("]")
        return n.Array(tuple(items), at)

    def map(self) -> n.Node:
        at = self.expect("{").at
        pairs: list[tuple[n.Node, n.Node]] = []
        while not self.sees("}"):
            if pairs:
                self.expect(",")
                if self.sees("}"):
                    break
            key = self.map_key()
            self.expect(":")
            pairs.append((key, self.expression(0)))
        self.expect("}")
        return n.Map(tuple(pairs), at)

    def map_key(self) -> n.Node:
        token = self.now
        if token.kind in ("number", "string", "name"):
            self.step()
            return n.Constant(token.text, token.at)
        if self.sees("("):
            return self.expression(0)
        raise error_at(
            self.text,
            token.at,
            "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses"
            f" (unexpected token {token})",
        )

    def postfix(self, tree: n.Node) -> n.Node:
        while self.sees(".", "?.", "["):
            token = self.now
            optional = token.text == "?."
            if optional and self.tokens[self.i + 1].text == "[":
                self.step()
            step = self.index if self.sees("[") else self.property
            tree = step(tree, optional)
        return tree

    def property(self, tree: n.Node, optional: bool) -> n.Node:
        self.step()
        token = self.step()
        if token.kind != "name" and not (token.kind == "op" and token.text.isalpha()):
            raise error_at(self.text, self.now.at, "expected name")
        inner, chained = _unchain(tree)
        member: n.Node = n.Member(inner, n.Constant(token.text, token.at), optional, token.at)
        if self.sees("("):
            member = n.Call(member, self.arguments(()), token.at)
        return n.Chain(member, token.at) if chained or optional else member

    def index(self, tree: n.Node, optional: bool) -> n.Node:
        at = self.expect("[").at
        start = None if self.sees(":") else self.expression(0)
        if self.sees(":"):
            self.step()
            stop = None if self.sees("]") else self.expression(0)
            self.expect("]")
            return n.Slice(tree, start, stop, at)
        self.expect("]")
        assert start is not None
        inner, chained = _unchain(tree)
        member = n.Member(inner, start, optional, at)
        return n.Chain(member, at) if chained or optional else member


def _unchain(tree: n.Node) -> tuple[n.Node, bool]:
    return (tree.value, True) if isinstance(tree, n.Chain) else (tree, False)
