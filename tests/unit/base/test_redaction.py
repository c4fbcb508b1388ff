"""Redaction: foreign text in messages becomes one short line without secrets or email addresses."""

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
    # Ordinary words have their own rules.
    lambda secret: not secret.isalpha()
)


@pytest.mark.parametrize("text", ["", "An error has occurred", "filter.toDate: 2025-03-12 > 2025-03-11", "ä €"])
def test_harmless_text_is_unchanged(text: str) -> None:
    """Text without secrets is unchanged."""
    assert redact(text, ["secret"]) == text


@MANY
@given(before=st.text(max_size=30), after=st.text(max_size=30), secrets=st.lists(SECRETS, min_size=1, max_size=3))
def test_secrets_are_redacted_in_every_encoding(before: str, after: str, secrets: list[str]) -> None:
    """Secrets are redacted as they are, percent-encoded, and escaped as in JSON and Python."""
    assume(not any(secret in MARK or MARK in secret for secret in secrets))
    for secret in secrets:
        encodings = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
        encodings |= {
            re.sub("%..", lambda code: code[0].lower(), encoding) for encoding in encodings if encoding != secret
        }
        for encoding in encodings | {json.dumps(secret)[1:-1], repr(secret)[1:-1]}:
            redacted = redact(f"{before}{encoding}{after}", secrets)
            assert encoding not in redacted.replace(MARK, "\n")
            assert MARK in redacted


def test_secret_with_invalid_unicode_is_redacted() -> None:
    """A secret with half of a surrogate pair, as JSON can escape it, is redacted."""
    text = "token=\ud800-Token-1 next=%ED%A0%80-Token-1"
    assert redact(text, ["\ud800-Token-1"]) == f"token= {MARK} next={MARK}"


def test_overlapping_secrets_are_redacted_together() -> None:
    """Overlapping secrets are redacted as one, whatever their order."""
    assert redact("Bearer abcd-efgh", ["abcd-ef", "abcd-efgh", "Bearer abcd-efgh"]) == MARK
    assert redact("<0123-4567-89>", ["0123-45", "23-4567", "567-89"]) == f"<{MARK}>"


@pytest.mark.parametrize("secret", ["wrong", "Wrong", "password", "a", "key", "1", ""])
def test_secret_that_is_a_word_stays_in_sentences(secret: str) -> None:
    """A secret that is an ordinary word is redacted only where it's a value."""
    text = f"The key is missing, {secret} or no longer valid; 1 password, a wrong one"
    assert redact(text, [secret]) == " ".join(text.split())
    if secret:
        assert (
            redact(f'token="{secret}" {secret}=x token:{secret}', [secret]) == f'token="{MARK}" {MARK}=x token:{MARK}'
        )


def test_normalized_whitespace_reveals_no_secret() -> None:
    """A secret that results from normalizing whitespace is redacted."""
    assert redact("pass\n phrase-1 ok", ["pass phrase-1"]) == f"{MARK} ok"
    assert redact("pass  phrase-1 ok", ["pass  phrase-1"]) == f"{MARK} ok"


def test_truncation_leaves_no_part_of_a_secret() -> None:
    """Truncating a text leaves no part of a secret at its end."""
    secret = "0123456789abcdef" * 4
    for length in (*range(430, 502), *range(1_930, 2_002)):
        redacted = redact(f"{'word ' * (length // 5)}{'x' * (length % 5)} {secret} and more {'x' * 3_000}", [secret])
        assert "0123" not in redacted, length
    assert redact("x" * 3_000, [secret]) == "…"


@pytest.mark.parametrize("unit", ["a", "a ", "a.", "@", "a@", "%40", "'", '"', "\x1b", "\u202e", "aB3-"])
def test_redacting_long_text_is_fast(unit: str) -> None:
    """Redacting a long text takes no longer than a short one, whatever it consists of."""
    secrets = [f"{unit * 20}{number}" for number in range(100)]
    redact(unit, secrets)
    start = time.process_time()
    redact(unit * 10_000_000, secrets)
    assert time.process_time() - start < 1


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
def test_email_addresses_are_redacted(text: str) -> None:
    """Email addresses are redacted, whatever surrounds them."""
    redacted = redact(text)
    assert "@" not in redacted
    assert "test" not in redacted
    assert MARK in redacted


@MANY
@given(text=st.text(max_size=2_000))
def test_result_is_one_printable_line(text: str) -> None:
    """The result is one printable line of limited length."""
    redacted = redact(text)
    assert redacted.isprintable()
    assert len(redacted) <= 501
    assert "  " not in redacted
    assert redacted == redacted.strip()


def test_lines_are_joined() -> None:
    """Lines and control characters become single spaces."""
    assert redact("one\r\n  two\tthree\x1b[31m\u2028four\0") == "one two three [31m four"
