"""Label selectors as Kubernetes reads them."""

import pytest

from controller import selectors
from controller.ports import BadOption


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("", True),
        ("a=1", True),
        ("a==1", True),
        ("a!=1", False),
        ("missing!=1", True),
        ("a in (1, 2),b", True),
        ("a notin (1,2)", False),
        ("missing notin (1)", True),
        ("!missing", True),
        ("!a", False),
        ("a=1,b=3", False),
        ("workflows.argoproj.io/phase in (Pending,Running)", False),
    ],
)
def test_a_label_selector_accepts_what_fulfils_every_part(text: str, accepted: bool) -> None:
    assert selectors.labels(text)({"a": "1", "b": "2"}) == accepted


@pytest.mark.parametrize("text", ["a=1,", "a b", "(a)", "=1"])
def test_a_label_selector_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadOption):
        selectors.labels(text)


def test_a_node_selector_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadOption, match="phase"):
        selectors.node_matches("phase", {"phase": "Failed"})
