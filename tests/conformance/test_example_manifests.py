"""Every example manifest of Argo ends in the phase that Argo reports, or is linted and planned; see examples.py."""

import pytest

from tests.conformance import examples

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        not examples.FOLDER.is_dir(), reason="the conformance material is not beside the checkout"
    ),
]


def test_each_example_ends_as_it_does_there(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(examples.rows())
    with capsys.disabled():
        print("\n" + "\n".join(str(row) for row in found))
    assert [str(row) for row in found if row.outcome == "FAIL"] == []


def test_nothing_is_excused_that_is_not_there() -> None:
    files = [example["file"] for example in examples.index()]
    assert all(any(f.startswith(prefix) for f in files) for prefix in examples.NOT_APPLICABLE)
