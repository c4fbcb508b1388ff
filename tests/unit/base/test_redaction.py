"""Foreign text in messages: one line, not too long, and nothing in it that is nobody's business."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.hypothesis_settings import MANY

from tap_gong_activity.base.redaction import MARK, redact

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=40).filter(
    # Ordinary words have rules of their own.
    lambda secret: not secret.isalpha()
)


@pytest.mark.parametrize("text", ["", "An error has occurred", "filter.toDate: 2025-03-12 > 2025-03-11", "ä €"])
def test_harmless_text_stays(text: str) -> None:
    """Word for word."""
    assert redact(text, ["secret"]) == text


@MANY
@given(before=st.text(max_size=30), after=st.text(max_size=30), secrets=st.lists(SECRETS, min_size=1, max_size=3))
def test_no_secret_is_left_in_any_of_its_forms(before: str, after: str, secrets: list[str]) -> None:
    """As it is, as it stands in a query, and as JSON and Python show it."""
    assume(not any(secret in MARK or MARK in secret for secret in secrets))
    for secret in secrets:
        ways = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
        ways |= {re.sub("%..", lambda code: code[0].lower(), way) for way in ways if way != secret}
        for form in ways | {json.dumps(secret)[1:-1], repr(secret)[1:-1]}:
            found = redact(f"{before}{form}{after}", secrets)
            assert form not in found.replace(MARK, "\n")
            assert MARK in found


def test_a_secret_that_is_not_valid_unicode_is_hidden_too() -> None:
    """JSON can escape half of a surrogate pair."""
    text = "token=\ud800-Token-1 next=%ED%A0%80-Token-1"
    assert redact(text, ["\ud800-Token-1"]) == f"token= {MARK} next={MARK}"


def test_secrets_that_overlap_are_hidden_together() -> None:
    """Whichever is looked for first."""
    assert redact("Bearer abcd-efgh", ["abcd-ef", "abcd-efgh", "Bearer abcd-efgh"]) == MARK
    assert redact("<0123-4567-89>", ["0123-45", "23-4567", "567-89"]) == f"<{MARK}>"


@pytest.mark.parametrize("secret", ["wrong", "Wrong", "password", "a", "key", "1", ""])
def test_a_secret_that_is_an_ordinary_word_spoils_no_sentence(secret: str) -> None:
    """Somebody may try a word as a key; it's hidden where it's more than a word."""
    sentence = f"The key is missing, {secret} or no longer valid; 1 password, a wrong one"
    assert redact(sentence, [secret]) == " ".join(sentence.split())
    if secret:
        assert (
            redact(f'token="{secret}" {secret}=x token:{secret}', [secret]) == f'token="{MARK}" {MARK}=x token:{MARK}'
        )


def test_a_secret_is_not_put_together_by_what_is_done_to_a_text() -> None:
    """A line break becomes a space, say."""
    assert redact("pass\n phrase-1 ok", ["pass phrase-1"]) == f"{MARK} ok"
    assert redact("pass  phrase-1 ok", ["pass  phrase-1"]) == f"{MARK} ok"


def test_half_a_secret_is_not_left_at_the_end() -> None:
    """Neither by the first cut, which drops the word that it splits, nor by the second."""
    secret = "0123456789abcdef" * 4
    for length in (*range(430, 502), *range(1_930, 2_002)):
        found = redact(f"{'word ' * (length // 5)}{'x' * (length % 5)} {secret} and more {'x' * 3_000}", [secret])
        assert "0123" not in found, length
    assert redact("x" * 3_000, [secret]) == "…"


@pytest.mark.parametrize("unit", ["a", "a ", "a.", "@", "a@", "%40", "'", '"', "\x1b", "\u202e", "aB3-"])
def test_a_long_text_costs_no_more_than_a_short_one(unit: str) -> None:
    """Whatever it consists of, and with as many secrets as a long run sees."""
    secrets = [f"{unit * 20}{number}" for number in range(100)]
    redact(unit, secrets)
    began = time.process_time()
    redact(unit * 10_000_000, secrets)
    assert time.process_time() - began < 1


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
        "test%40test.com",
        "te'st@test.com",
        "test@test@test",
        "'test@test.com'",
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
    assert "  " not in found
    assert found == found.strip()


def test_lines_become_one() -> None:
    """An error may be a traceback."""
    assert redact("one\r\n  two\tthree\x1b[31m\u2028four\0") == "one two three [31m four"
