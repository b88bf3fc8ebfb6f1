"""Selectors in comments of a spec."""

from tests.support.spec_samples import codes, with_dependencies


def test_comment_in_brackets_that_is_no_selector_is_accepted():
    text = with_dependencies("python 3.12.*  # [sic]", "numpy # [1]", "pandas # []", "'six' # [not windows]")
    assert codes(text + "  # - pywin32  # [win]\ncategory: dev\n") == []
