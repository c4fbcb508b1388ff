"""Foreign text in messages: one line, not too long, and nothing in it that is nobody's business."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.properties import MANY

from tap_gong_activity.base.redaction import MARK, redact

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=40)


@pytest.mark.parametrize("text", ["", "An error has occurred", "filter.toDate: 2025-03-12 > 2025-03-11", "ä €"])
def test_harmless_text_stays(text: str) -> None:
    """Word for word."""
    assert redact(text, ["secret"]) == text


@MANY
@given(before=st.text(max_size=30), after=st.text(max_size=30), secrets=st.lists(SECRETS, min_size=1, max_size=3))
def test_no_secret_is_left_in_any_of_its_forms(before: str, after: str, secrets: list[str]) -> None:
    """As it is, and as it stands in a query."""
    assume(not any(secret in MARK or MARK in secret for secret in secrets))
    for secret in secrets:
        for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret)):
            found = redact(f"{before}{form}{after}", secrets)
            assert form not in found.replace(MARK, "\n")
            assert MARK in found


def test_a_secret_inside_a_longer_one_does_not_protect_it() -> None:
    """The longest goes first."""
    assert redact("Bearer abcdef", ["abc", "abcdef", "Bearer abcdef"]) == MARK


def test_an_empty_secret_is_none() -> None:
    """It would be everywhere."""
    assert redact("text", ["", "x"]) == f"te{MARK}t"


@pytest.mark.parametrize(
    "text",
    [
        "test@test.com",
        "a.b+c@sub.example.co.uk",
        "<test@test.com>",
        '"test@test.com"',
        "mailto:test@test.com,",
        "(test@test.com)",
        "User test@test.com; not found",
        "ä@ö.de",
        "test@localhost",
    ],
)
def test_no_address_is_left(text: str) -> None:
    """Whatever stands around it."""
    found = redact(text)
    assert "@" not in found
    assert "test" not in found
    assert MARK in found


@MANY
@given(text=st.text(max_size=2_000))
def test_it_is_one_line_that_can_be_printed(text: str) -> None:
    """And not too long for a log."""
    found = redact(text)
    assert found.isprintable()
    assert len(found) <= 501
    assert found == found.strip()


def test_lines_become_one() -> None:
    """An error may be a traceback."""
    assert redact("one\r\n  two\tthree\x1b[31m\u2028four\0") == "one two three [31m four"
