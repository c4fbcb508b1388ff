"""Understanding Gong's answers: what is whole, what is documented, and where the cursor is."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import gong_example
from support.properties import FEW

from tap_gong_activity.gong.responses import (
    Answer,
    NotJsonError,
    PeriodActivity,
    UndocumentedError,
    UserActivity,
    decode_answer,
    decode_envelope,
    read_page,
)

BODY = gong_example.TEXT.strip().encode()
INTEGERS = ("totalRecords", "currentPageSize", "currentPageNumber", *gong_example.COUNTERS)
TEXTS = ("requestId", "cursor", "userId", "userEmailAddress", "fromDate", "toDate")


def objects_of(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every object of the example, by a field that it holds."""
    user = answer["usersAggregateActivity"][0]
    objects = (answer, answer["records"], user, user["userAggregateActivity"][0])
    return {field: held for held in objects for field in held}


def test_gongs_example_is_understood_value_for_value() -> None:
    """Every field of the example answer is where its type says."""
    answer, unknown = decode_answer(BODY)
    assert not unknown
    assert answer.request_id == "4al018gzaztcr8nbukw"
    assert answer.records is not None
    records = answer.records
    assert (records.total_records, records.current_page_size, records.current_page_number) == (263, 100, 0)
    assert records.cursor == gong_example.CURSOR
    assert answer.users == [
        UserActivity(
            "234599484848423",
            "test@test.com",
            [
                PeriodActivity(
                    *(20, 35, 77, 67, 668, 96, 478, 75, 876, 876, 46, 21, 13, 24, 35),
                    from_date="2019-01-20T00:00:00-08:00",
                    to_date="2019-01-21T000:00:00-08:00",
                )
            ],
        )
    ]


def test_the_counters_come_in_gongs_order_before_the_dates() -> None:
    """Rows take an item's values by position, so the order is a promise."""
    assert PeriodActivity.__struct_encode_fields__ == (*gong_example.COUNTERS, "fromDate", "toDate")
    assert PeriodActivity.__struct_fields__ == (*gong_example.COUNTERS.values(), "from_date", "to_date")


def test_the_cursor_of_the_next_page_is_found() -> None:
    """It is at records.cursor, and the body is kept as it came."""
    assert read_page(BODY) == (BODY, gong_example.CURSOR)


@pytest.mark.parametrize(
    "records", ['{"cursor": null}', '{"cursor": ""}', '{"totalRecords": 1}', "{}", "null"], ids=lambda text: text
)
def test_no_cursor_is_absent_null_or_empty(records: str) -> None:
    """All of them say that there is no further page."""
    assert read_page(f'{{"records": {records}, "usersAggregateActivity": []}}'.encode()).cursor is None
    assert read_page(b"{}").cursor is None


@pytest.mark.parametrize("users", ["null", "[]"])
def test_a_null_or_empty_array_holds_no_users(users: str) -> None:
    """Neither does a missing one."""
    assert decode_answer(f'{{"usersAggregateActivity": {users}}}'.encode()) == (
        Answer(users_aggregate_activity=None if users == "null" else []),
        frozenset(),
    )
    assert decode_answer(b"{}")[0].users == []


def test_an_answer_cut_anywhere_is_no_json() -> None:
    """However little of it is missing, it is tried again."""
    for length in range(len(BODY)):
        with pytest.raises(NotJsonError):
            read_page(BODY[:length])


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Maintenance</html>",
        b"",
        b" ",
        BODY + b"}",
        BODY.replace(b"test@test.com", b"test@\xff\xfe.com"),
        b'{"requestId": ' + b"[" * sys.getrecursionlimit() * 2,
    ],
    ids=["html", "empty", "blank", "more behind it", "no UTF-8", "bottomless"],
)
def test_what_is_no_json_is_told_apart(body: bytes) -> None:
    """Another try may mend it."""
    with pytest.raises(NotJsonError):
        read_page(body)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"[]", "array"),
        (b'"text"', "str"),
        (b"null", "null"),
        (b'{"records": []}', "records"),
        (b'{"records": 3}', "records"),
        (b'{"records": {"cursor": 3}}', "cursor"),
        (b'{"records": {"cursor": {}}}', "cursor"),
    ],
)
def test_json_of_another_shape_is_not_tried_again(body: bytes, named: str) -> None:
    """It is Gong's documentation that is broken then, and the message names the field."""
    with pytest.raises(UndocumentedError, match=named):
        read_page(body)


@pytest.mark.parametrize("field", INTEGERS)
@pytest.mark.parametrize("value", ["3", 3.5, 3.0, True, [], {}, [3]])
def test_an_integer_of_another_type_is_named(field: str, value: object) -> None:
    """No counter is rounded, read out of a text or counted as one for true."""
    answer = gong_example.example()
    objects_of(answer)[field][field] = value
    with pytest.raises(UndocumentedError, match=field):
        decode_answer(json.dumps(answer).encode())


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("value", [3, 12345678901234567890, 3.5, False, [], {}])
def test_a_text_of_another_type_is_named(field: str, value: object) -> None:
    """A user's id above all, which a number could not hold."""
    answer = gong_example.example()
    objects_of(answer)[field][field] = value
    with pytest.raises(UndocumentedError, match=field):
        decode_answer(json.dumps(answer).encode())


@pytest.mark.parametrize("field", ["usersAggregateActivity", "userAggregateActivity"])
@pytest.mark.parametrize("value", [3, "text", {}, [3], [[]], [None]])
def test_an_array_of_another_type_is_named(field: str, value: object) -> None:
    """Also where it is one of something else."""
    answer = gong_example.example()
    objects_of(answer)[field][field] = value
    with pytest.raises(UndocumentedError, match=field):
        decode_answer(json.dumps(answer).encode())


@pytest.mark.parametrize("field", [*INTEGERS, *TEXTS, "records", "usersAggregateActivity", "userAggregateActivity"])
def test_any_field_may_be_null_or_missing(field: str) -> None:
    """Gong requires none, so both are the same to the tap."""
    nulled, dropped = gong_example.example(), gong_example.example()
    objects_of(nulled)[field][field] = None
    del objects_of(dropped)[field][field]
    assert decode_answer(json.dumps(nulled).encode()) == decode_answer(json.dumps(dropped).encode())


@pytest.mark.parametrize("beside", ["requestId", "cursor", "userId", "callsAsHost"])
@FEW
@given(name=st.text(min_size=1), value=st.recursive(st.none() | st.text(), st.lists))
def test_a_field_that_gong_adds_is_left_out_and_named(beside: str, name: str, value: object) -> None:
    """Wherever it stands, the rest is read as if it were not there."""
    answer = gong_example.example()
    known = {*objects_of(answer), "records"}
    objects_of(answer)[beside].setdefault(f"new {name}", value)
    assert f"new {name}" not in known
    expected, _ = decode_answer(BODY)
    assert decode_answer(json.dumps(answer).encode("utf-8", "surrogatepass")) == (expected, frozenset([f"new {name}"]))


def test_a_wrong_type_is_named_beside_a_field_that_gong_adds() -> None:
    """The way around unknown fields checks as strictly."""
    answer = gong_example.example()
    objects_of(answer)["callsAsHost"].update(callsAsHost="20", callsTranslated=1)
    with pytest.raises(UndocumentedError, match="callsAsHost"):
        decode_answer(json.dumps(answer).encode())


def test_no_message_repeats_a_value() -> None:
    """A body is nobody's business, least of all an e-mail address in the wrong field."""
    answer = gong_example.example()
    objects_of(answer)["callsAsHost"]["callsAsHost"] = "someone@example.com"
    with pytest.raises(UndocumentedError) as caught:
        decode_answer(json.dumps(answer).encode())
    assert "someone" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "request_id", "errors"),
    [
        (b'{"requestId": "4al", "errors": ["An error has occurred"]}', "4al", ["An error has occurred"]),
        (b'{"requestId": "4al"}', "4al", None),
        (b'{"errors": ["one", "two"], "status": 404}', None, ["one", "two"]),
    ],
)
def test_gongs_envelope_is_known_again(body: bytes, request_id: str | None, errors: list[str] | None) -> None:
    """Its request id or its errors are enough."""
    envelope = decode_envelope(body)
    assert envelope is not None
    assert (envelope.request_id, envelope.errors) == (request_id, errors)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[]", b'{"requestId": "", "errors": []}', b'{"errors": [1]}', b"\xff", b"[" * 100_000],
)
def test_anything_else_is_no_envelope(body: bytes) -> None:
    """A wrong host answers 404 too, in its own words."""
    assert decode_envelope(body) is None
