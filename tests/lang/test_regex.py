"""Regular expressions: Go's syntax and Go's answers (the tables were made by Go), in linear time."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bireme.lang import regex, regex_run
from bireme.lang.errors import LangError, OverBudget

FOUND: dict[str, tuple[str, str, bool]] = {
    "anywhere": ("b", "abc", True),
    "nothing is everywhere": ("", "", True),
    "an end without a newline": ("a$", "a\n", False),
    "an end of a line": ("(?m)a$", "a\nb", True),
    "a begin of a line": ("(?m)^b", "a\nb", True),
    "no begin of a line": ("^b", "a\nb", False),
    "a dot is no newline": ("a.b", "a\nb", False),
    "a dot that is": ("(?s)a.b", "a\nb", True),
    "a flag for a group": ("a(?s:.)b.c", "a\nb\nc", False),
    "flags end with their group": ("(?:(?i)a)b", "AB", False),
    "flags reach to the end": ("a(?i)b", "aB", True),
    "a flag taken back": ("(?i)a(?-i)b", "Ab", True),
    "empty flags": ("(?)a", "a", True),
    "case of a set": ("(?i)[a-c]", "B", True),
    "case of no set": ("(?i)[^a]", "A", False),
    "Kelvin is a k": ("(?i)k", "\u212a", True),
    "long s is an s": ("(?i)S", "\u017f", True),
    "sigma at the end": ("(?i)σ", "ς", True),
    "no sharp s is two": ("(?i)ss", "ß", False),
    "a bracket in a set": ("[]a]", "]", True),
    "a hyphen at the end of a set": ("[a-]", "-", True),
    "no caret within": ("[a^]", "^", True),
    "a negated set takes newlines": ("[^a]", "\n", True),
    "named sets": ("[[:upper:][:digit:]]", "7", True),
    "a named set negated": ("[[:^digit:]]", "7", False),
    "a set in a set": (r"[\d_]", "_", True),
    "words are ASCII": (r"\w", "é", False),
    "no vertical tab in white": (r"\s", "\v", False),
    "but in the named one": ("[[:space:]]", "\v", True),
    "an edge of a word": (r"\bb", "a b", True),
    "no edge": (r"\Bb", "ab", True),
    "an edge at a letter outside ASCII": (r"a\b", "aé", True),
    "letters": (r"^\pL+$", "aé", True),
    "no letters": (r"\PL", "aé", False),
    "capitals": (r"\p{Lu}", "aÉ", True),
    "no capitals": (r"\p{^Lu}", "É", False),
    "a script": (r"\p{Greek}", "σ", True),
    "quoted": (r"\Qa.b\E", "a.b", True),
    "quoted to the end": (r"\Qa.b", "axb", False),
    "octal": (r"\141", "a", True),
    "hexadecimal": (r"\x61\x{62}", "ab", True),
    "a brace that counts nothing": ("a{,2}", "a{,2}", True),
    "a brace left open": ("a{1", "a{1", True),
    "none at all": ("^a{0}$", "", True),
    "counted": ("^a{2,3}$", "aaaa", False),
    "a lazy count": ("^a{2,3}?$", "aaa", True),
    "counts of counts": ("^(?:a{2}){3}$", "aaaaaa", True),
    "repeated nothing": ("^(?:)*$", "", True),
    "repeated edges": (r"(?:\b)*a", "a", True),
    "two groups of one name": ("(?P<n>a)(?P<n>b)", "ab", True),
    "a name without P": ("(?<n>a)", "a", True),
    "an empty choice": ("^(?:a|)$", "", True),
    "a choice binds last": ("^a|b$", "ab", True),
    "beyond the basic plane": ("^.$", "\U0001f600", True),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_pattern_is_found_as_go_finds_it(name: str) -> None:
    pattern, text, found = FOUND[name]
    assert regex.search(pattern, text) is found


REFUSED = {
    "(": "missing closing ): `(`",
    "a)": "unexpected ): `a)`",
    "[": "missing closing ]: `[`",
    "[]": "missing closing ]: `[]`",
    "[z-a]": "invalid character class range: `z-a`",
    "[[:foo:]]": "invalid character class range: `[:foo:]`",
    "*": "missing argument to repetition operator: `*`",
    "a|*": "missing argument to repetition operator: `*`",
    "a**": "invalid nested repetition operator: `**`",
    "a*?+": "invalid nested repetition operator: `*?+`",
    "a{1001}": "invalid repeat count: `{1001}`",
    "a{2,1}": "invalid repeat count: `{2,1}`",
    "(?:a{100}){100}": "invalid repeat count: `{100}`",
    "(?=a)": "invalid or unsupported Perl syntax: `(?=`",
    "(?<=a)": "invalid named capture: `(?<=a)`",
    "(?-)": "invalid or unsupported Perl syntax: `(?-)`",
    "(?P<n": "invalid named capture: `(?P<n`",
    "(?P<a-b>c)": "invalid named capture: `(?P<a-b>`",
    "\\": "trailing backslash at end of expression: ``",
    r"\1": r"invalid escape sequence: `\1`",
    r"\8": r"invalid escape sequence: `\8`",
    r"\Z": r"invalid escape sequence: `\Z`",
    r"\C": r"invalid escape sequence: `\C`",
    r"[\b]": r"invalid escape sequence: `\b`",
    r"\pX": r"invalid character class range: `\pX`",
    r"\p{Nobody}": r"invalid character class range: `\p{Nobody}`",
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_a_pattern_is_refused_in_gos_words(pattern: str) -> None:
    with pytest.raises(LangError) as caught:
        regex.compile(pattern)
    assert str(caught.value) == f"error parsing regexp: {REFUSED[pattern]}"


def test_what_nests_without_end_or_grows_too_large_is_refused() -> None:
    with pytest.raises(LangError, match="nests too deeply"):
        regex.compile("(" * 499 + ")" * 499)
    with pytest.raises(LangError, match="expression too large"):
        regex.compile("(?:" + "a" * 900 + "){1000}")
    with pytest.raises(LangError, match="longer than 1000 characters"):
        regex.compile("a" * 1001)
    with pytest.raises(LangError, match="longer than 2000000 characters"):
        regex.search("a", "a" * 2_000_001)


# Each of them takes a backtracking engine minutes, years or for ever on such a text.
CATASTROPHES: dict[str, tuple[str, str]] = {
    "nested repeats": ("(a+)+$", "a" * 100_000 + "!"),
    "a repeated choice": ("(a|a)+$", "a" * 100_000 + "!"),
    "repeats in a row": ("a*a*a*a*b", "a" * 100_000),
    "white space before an end": (r"\s+$", " " * 100_000 + "x"),
    "anything, twice": (".*foo.*bar", "a" * 100_000),
    "an address": (r"\w+@\w+\.com", "a" * 100_000),
    "counted": ("(a{1,10}){1,10}b", "a" * 100_000),
    "many words": (r"(\w+\s?)*\.$", "word " * 20_000),
}


@pytest.mark.parametrize("name", CATASTROPHES)
def test_no_pattern_takes_for_ever(name: str) -> None:
    pattern, text = CATASTROPHES[name]
    started = time.monotonic()
    assert not regex.search(pattern, text)
    assert time.monotonic() - started < 5


def test_a_text_that_keeps_meeting_new_states_ends_over_budget() -> None:
    text = "".join(f"{number:b}" for number in range(20_000)).translate({48: "a", 49: "b"})
    with pytest.raises(OverBudget, match="too many steps"):
        regex.search("(a|b)*a(a|b){200}c", text)
    assert regex.search("(a|b)*a(a|b){20}", text)


def test_more_characters_than_are_kept_are_still_told_apart() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 3 * 5_000)))
    assert not regex.search("x+y", text * 2)
    assert regex.search("x+y", text + "xxy" + text)
    assert regex_run.Machine(regex.parse("(?:一|x)y")).search(text + "xy")


SAFE = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]", ".", "(?:)", r"\b", "^", "$"]),
    lambda inner: (
        st.lists(inner, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})")
        | st.tuples(inner, st.sampled_from(["*", "+", "?", "{0,2}", "{2}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        )
    ),
    max_leaves=6,
)


@given(SAFE, st.text("ab \n", max_size=6))
@settings(max_examples=400, deadline=None)
def test_what_both_languages_share_means_the_same(pattern: str, text: str) -> None:
    ours = regex.search(pattern, text)
    assert ours is (re.search(pattern.replace("$", r"\Z"), text, re.ASCII) is not None)


@given(st.text("ab*+?(){}[]|^$\\.-,1:", max_size=12), st.text("ab1", max_size=4))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    with suppress(LangError):
        assert regex.search(pattern, text) in (True, False)
