"""Responses: completeness, cursors, users and documented fields of a page."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import documented_response
from support.hypothesis_settings import FEW

from tap_gong_activity.base.errors import UnexpectedResponseError
from tap_gong_activity.gong.endpoints import AGGREGATE_BY_PERIOD
from tap_gong_activity.gong.models import PeriodActivity, activity_decoder, describe_unknown_fields
from tap_gong_activity.gong.responses import FailedResponseError, Page, decode_envelope, read_page

BODY = documented_response.TEXT.strip().encode()
TEXTS = ("userId", "userEmailAddress", "fromDate", "toDate")
NESTED = (1_000, 100_000)
"""Levels of nesting, around and far beyond a JSON parser's maximum."""


def objects_of(response: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the object of the example that has each field."""
    user = response["usersAggregateActivity"][0]
    objects = (response, response["records"], user, user["userAggregateActivity"][0])
    return {field: object_ for object_ in objects for field in object_}


def page_of(body: str | bytes) -> Page:
    """Return a response as parsed for paging."""
    return read_page(body.encode() if isinstance(body, str) else body, AGGREGATE_BY_PERIOD)


def decode(body: object) -> Any:  # noqa: ANN401 - JSON
    """Return the users as decoded for rows, with Gong's field names."""
    page = activity_decoder().decode(body if isinstance(body, bytes) else json.dumps(body).encode())[0]
    return msgspec.to_builtins(page.users_aggregate_activity)


def unknown_fields_of(body: object) -> set[str]:
    """Return the names of unknown fields."""
    return activity_decoder().decode(body if isinstance(body, bytes) else json.dumps(body).encode())[1]


# Completeness


def test_page_has_its_cursor_total_and_users() -> None:
    """A page has the cursor, total and users of Gong's example, and its body is unchanged."""
    page = page_of(BODY)
    assert page.body is BODY or page.body == BODY
    assert (page.cursor, page.total, page.user_ids) == (documented_response.CURSOR, 263, ["234599484848423"])
    assert not page.has_replacements


@pytest.mark.parametrize("records", ['{"cursor": null}', '{"cursor": ""}', '{"totalRecords": 1}', "{}", "null"])
def test_missing_null_or_empty_cursor_is_none(records: str) -> None:
    """A missing, null or empty cursor means that there's no further page."""
    assert page_of(f'{{"records": {records}, "usersAggregateActivity": []}}').cursor is None


@pytest.mark.parametrize("total", ["3.5", '"3"', "true", "null", "1e400", "9" * 5_000])
def test_total_that_is_not_an_integer_is_ignored(total: str) -> None:
    """A total that isn't an integer is ignored."""
    body = f'{{"records": {{"totalRecords": {total}}}, "usersAggregateActivity": []}}'
    assert page_of(body).total is None
    assert decode(body.encode()) == []


@pytest.mark.parametrize(
    ("body", "user_ids"),
    [
        ('{"records": null}', None),
        ('{"records": {}, "errors": null}', None),
        ('{"usersAggregateActivity": null, "errors": []}', None),
        ('{"usersAggregateActivity": [], "errors": [ ]}', []),
        ('{"usersAggregateActivity": [{}, {"userId": null}, {"userId": ""}, {"userId": "7"}]}', ["7"]),
    ],
)
def test_either_records_or_users_make_a_page(body: str, user_ids: list[str] | None) -> None:
    """A page needs either records or users, which can be null; an empty array of errors means none."""
    assert page_of(body).user_ids == user_ids


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{}", "neither records nor usersAggregateActivity"),
        ('{"requestId": "x", "users": []}', "neither records nor usersAggregateActivity"),
        ("[]", "array"),
        ('"text"', "str"),
        ("null", "null"),
        ("7", "int"),
        ('{"requestId": "x", "records": 7, "usersAggregateActivity": []}', "records"),
        ('{"records": [], "usersAggregateActivity": []}', "records"),
        ('{"records": {}, "usersAggregateActivity": {}}', "usersAggregateActivity"),
        ('{"usersAggregateActivity": "none"}', "usersAggregateActivity"),
        ('{"usersAggregateActivity": false}', "usersAggregateActivity"),
    ],
)
def test_page_of_another_shape_is_a_failed_response(body: str, problem: str) -> None:
    """A page of another shape is a failed response, with the field and Gong's envelope."""
    with pytest.raises(FailedResponseError, match=problem) as error:
        page_of(body)
    if "requestId" in body:
        assert error.value.envelope is not None
        assert error.value.envelope.request_id == "x"


@pytest.mark.parametrize(
    ("errors", "messages"),
    [
        ('["Try later", "please"]', ["Try later", "please"]),
        ('"Try later"', ["Try later"]),
        ('[{"code": 7}]', ['{"code":7}']),
        ("[null]", None),
        ('{"code": 1e400}', None),
        ("true", None),
    ],
)
@pytest.mark.parametrize("beside", ['"usersAggregateActivity": []', '"usersAggregateActivity": 7', '"other": {}'])
def test_page_with_errors_is_a_failed_response(errors: str, messages: list[str] | None, beside: str) -> None:
    """A page with errors of any kind is a failed response; strings and objects are kept as messages."""
    with pytest.raises(FailedResponseError) as error:
        page_of(f'{{"requestId": "4al", "errors": {errors}, {beside}}}')
    assert error.value.problem == ""
    assert error.value.envelope is not None
    assert (error.value.envelope.request_id, error.value.envelope.errors) == ("4al", messages)


def test_truncated_page_is_a_failed_response() -> None:
    """A page that is truncated anywhere is a failed response."""
    for length in range(len(BODY)):
        with pytest.raises(FailedResponseError, match="isn't valid JSON or was truncated"):
            page_of(BODY[:length])


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Maintenance</html>",
        b"",
        BODY + b"}",
        BODY.replace(b"test@test.com", b"test@\xff\xfe.com"),
        BODY[:-1] + b', "new": ' + b"[" * 100_000,
        BODY[:-1] + b', "new": "\xff"}',
        BODY[:-1] + b', "new": "\\ud800" 7}',
    ],
    ids=[
        "html",
        "empty",
        "more after it",
        "not UTF-8",
        "bottomless",
        "not UTF-8 in a new field",
        "not JSON either way",
    ],
)
def test_page_that_is_not_json_is_a_failed_response(body: bytes) -> None:
    """A page that isn't valid JSON is a failed response."""
    with pytest.raises(FailedResponseError, match="isn't valid JSON or was truncated"):
        page_of(body)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ('{"records": {"cursor": 3}}', "cursor"),
        ('{"usersAggregateActivity": [3]}', "usersAggregateActivity"),
        ('{"usersAggregateActivity": [{"userId": 3}]}', "userId"),
        ('{"usersAggregateActivity": ' + "[" * 900 + "]" * 900 + "}", "usersAggregateActivity"),
        (f'{{"records": {{"cursor": "{"x" * 64_001}"}}}}', "longer than 64 kB"),
        (f'{{"records": {{"cursor": "{"ä" * 32_001}"}}}}', "longer than 64 kB"),
    ],
    ids=["cursor", "user", "userId", "deep", "long cursor", "long cursor of two bytes a character"],
)
def test_field_of_another_type_is_not_retried(body: str, part: str) -> None:
    """A field of another type is an error that names it, without a retry."""
    with pytest.raises(UnexpectedResponseError, match=part):
        page_of(body)


def test_cursor_of_64_kb_is_accepted() -> None:
    """A cursor of 64 kB is accepted."""
    assert page_of(f'{{"records": {{"cursor": "{"x" * 64_000}"}}}}').cursor == "x" * 64_000


# Lone surrogates


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        (rb"\ud800", "\ufffd"),
        (rb"a\uDFFFb", "a\ufffdb"),
        (rb"\udc00\ud800", "\ufffd\ufffd"),
        (rb"\ud83d\ud83d\ude00", "\ufffd😀"),
        (rb"\\\ud800", "\\\ufffd"),
        (b"\xed\xa0\x80", "\ufffd"),
        (b"\xc3\xa4\xed\xbf\xbf", "ä\ufffd"),
    ],
)
def test_lone_surrogates_are_replaced(text: bytes, replaced: str) -> None:
    """Lone surrogates are replaced in any field, whether they're escaped or raw, and nothing else changes."""
    page = page_of(BODY.replace(b"test@test.com", text))
    assert page.has_replacements
    expected = documented_response.example()
    expected["usersAggregateActivity"][0]["userEmailAddress"] = replaced
    assert decode(bytes(page.body)) == decode(expected)
    assert page_of(BODY[:-1] + b', "new": "' + text + b'"}').has_replacements


@pytest.mark.parametrize("text", [rb"\ud83d\ude00", rb"\\ud800", "😀".encode(), rb"\\\\ud800", rb"\u00e9"])
def test_valid_text_is_unchanged(text: bytes) -> None:
    """Valid text is unchanged, including pairs of surrogates and escaped backslashes."""
    body = BODY.replace(b"test@test.com", text)
    page = page_of(body)
    assert page.body is body
    assert not page.has_replacements


@pytest.mark.parametrize("text", [rb"\ud800", b"\xed\xa0\x80"])
def test_lone_surrogate_in_a_user_id_is_an_error(text: bytes) -> None:
    """A lone surrogate in a user's ID is an error, because two users could become one."""
    with pytest.raises(UnexpectedResponseError, match="userId"):
        page_of(BODY.replace(b'"234599', b'"' + text))


# Fields


def test_gongs_example_is_decoded_value_for_value() -> None:
    """Gong's example is decoded value for value, without unknown fields."""
    assert decode(BODY) == documented_response.example()["usersAggregateActivity"]
    assert not unknown_fields_of(BODY)


def test_counters_precede_the_dates() -> None:
    """An item's fields are the counters in Gong's order, then the dates."""
    assert PeriodActivity.__struct_encode_fields__ == (*documented_response.COUNTERS, "fromDate", "toDate")
    assert PeriodActivity.__struct_fields__ == (*documented_response.COUNTERS.values(), "from_date", "to_date")


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        (documented_response.COUNTERS, ["3", 3.5, 3.0, True, {}, [3]]),
        (TEXTS, [3, 12345678901234567890, False, [], {}]),
        (["usersAggregateActivity", "userAggregateActivity"], [3, "text", {}, [3], [[]], [None]]),
    ],
    ids=["counters", "texts", "arrays"],
)
@pytest.mark.parametrize("beside", [{}, {"callsTranslated": 1}], ids=["alone", "beside an unknown field"])
def test_field_of_another_type_is_named_without_its_value(
    fields: list[str], values: list[object], beside: dict[str, Any]
) -> None:
    """A field of another type is named in the error, without its value."""
    for field in fields:
        for value in values:
            response = documented_response.example()
            objects_of(response)[field].update({**beside, field: value})
            with pytest.raises(UnexpectedResponseError, match=field) as error:
                decode(response)
            assert "text" not in str(error.value)


def test_any_field_can_be_null_or_missing() -> None:
    """Null and a missing field mean the same, for every field."""
    for field in objects_of(documented_response.example()):
        nulled, dropped = documented_response.example(), documented_response.example()
        objects_of(nulled)[field][field] = None
        del objects_of(dropped)[field][field]
        assert decode(nulled) == decode(dropped)


@FEW
@given(
    beside=st.sampled_from(["requestId", "cursor", "userId", "callsAsHost"]),
    name=st.text(min_size=1),
    value=st.recursive(st.none() | st.text(), st.lists),
)
def test_unknown_field_is_ignored_and_named(beside: str, name: str, value: object) -> None:
    """An unknown field of any object is ignored and named."""
    response = documented_response.example()
    objects_of(response)[beside][f"new {name}"] = value
    body = bytes(page_of(json.dumps(response).encode()).body)
    assert decode(body) == decode(BODY)
    assert unknown_fields_of(body) == {f"new {name}"}


@pytest.mark.parametrize(
    "value",
    [
        b"1e400",
        b"-1e999999",
        b"9" * 5_000,
        *(b"[" * n + b"]" * n for n in NESTED),
        *(b'{"a":' * n + b"1" + b"}" * n for n in NESTED),
        b"[" * 1_000 + rb'"]]\"]]", "\\", "[["' + b"]" * 1_000,
    ],
    ids=[
        "1e400",
        "-1e999999",
        "digits",
        *(f"{n} arrays" for n in NESTED),
        *(f"{n} objects" for n in NESTED),
        "brackets in texts",
    ],
)
def test_unknown_field_can_have_any_value(value: bytes) -> None:
    """An unknown field can have any value, however deep or large."""
    for body in (
        BODY[:-1] + b', "new": ' + value + b"}",
        BODY.replace(b'"userId"', b'"new": ' + value + b', "userId"'),
        BODY.replace(b'"callsAsHost"', b'"new": ' + value + b', "callsAsHost"'),
    ):
        assert page_of(body).user_ids == ["234599484848423"]
        assert decode(body) == decode(BODY)
        assert unknown_fields_of(body) == {"new"}


def test_deep_values_are_skipped_one_by_one() -> None:
    """Fields between deep values are decoded."""
    deep = b"[" * 1_000 + b"]" * 1_000
    body = BODY.replace(b'"userId"', b'"new": ' + deep + b', "userId"')[:-1] + b', "newer": ' + deep + b"}"
    assert decode(body) == decode(BODY)
    assert unknown_fields_of(body) == {"new", "newer"}


def test_unknown_fields_are_named_once_by_a_decoder() -> None:
    """A decoder names each unknown field once."""
    decoder = activity_decoder()
    new = BODY[:-1] + b', "new": 1}'
    assert [decoder.decode(body)[1] for body in (BODY, new, new)] == [set(), {"new"}, set()]


def test_many_unknown_fields_are_counted_and_few_named() -> None:
    """Many unknown fields are counted and few of them named, in bounded time and length."""
    members = ", ".join(f'"field {number:06}": {{}}' for number in range(200_000))
    start = time.process_time()
    names = unknown_fields_of(BODY.replace(b'"userId"', f'{members}, "userId"'.encode()))
    text = describe_unknown_fields(names, lambda name: name.replace("field 000003", "[hidden]"))
    assert time.process_time() - start < 10
    assert len(names) == 200_000
    assert "200,000 unknown fields" in text
    assert text.count("field 0000") == 9
    assert "[hidden]" in text
    assert "and 199,990 more" in text
    assert len(describe_unknown_fields({"x" * 1_000_000}, str)) < 250
    assert describe_unknown_fields({"new"}, str) == "Gong returned 1 unknown field, which is ignored: 'new'."


# Errors


@pytest.mark.parametrize("levels", NESTED)
def test_error_beside_a_deep_value_is_kept(levels: int) -> None:
    """A message is kept beside a value nested so deeply that parsing it could overflow a thread's stack."""
    deep = b"[" * levels + b"]" * levels
    envelope = decode_envelope(b'{"requestId": "4al", "errors": ["Try later", %s]}' % deep)
    assert envelope is not None
    assert (envelope.request_id, envelope.errors) == ("4al", ["Try later"])


@pytest.mark.parametrize(
    ("body", "request_id", "errors"),
    [
        (b'{"requestId": "4al", "errors": ["An error has occurred"]}', "4al", ["An error has occurred"]),
        (b'{"requestId": "4al"}', "4al", None),
        (b'{"errors": ["one", "two"], "status": 404}', None, ["one", "two"]),
    ],
)
def test_gongs_envelope_is_recognized(body: bytes, request_id: str | None, errors: list[str] | None) -> None:
    """Gong's envelope is recognized by its request ID or its errors."""
    envelope = decode_envelope(body)
    assert envelope is not None
    assert (envelope.request_id, envelope.errors) == (request_id, errors)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[]", b'{"requestId": "", "errors": []}', b'{"errors": [1]}', b"\xff", b"[" * 100_000],
)
def test_anything_else_is_not_an_envelope(body: bytes) -> None:
    """Anything else isn't an envelope."""
    assert decode_envelope(body) is None
