"""Rows of responses: the right values for the right dates, or an error that says why not."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from support import documented_response
from support.hypothesis_settings import MANY, SOME

from tap_gong_activity.base.errors import UnexpectedResponseError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.extract.activity_rows import COLUMNS, Row, RowReader
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window, cut_into_windows

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = Path(__file__).parents[3] / "schemas" / "activity.json"
ONE_DAY = timedelta(days=1)
ZONES = sorted(available_timezones() - {"localtime", "Factory"})


class Warnings:
    """Records warnings like the tap: each kind once."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}

    def __call__(self, kind: str, message: str) -> None:
        self.messages.setdefault(kind, message)


def read(
    *pages: object, window: Window = documented_response.WINDOW, zone: str | None = None
) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of a window's pages, and the warnings by kind."""
    warnings = Warnings()
    bodies = [page if isinstance(page, bytes) else json.dumps(page).encode() for page in pages]
    reader = RowReader(ZoneInfo(zone) if zone else None, warn=warnings, redact=redact)
    return [row for rows in reader.rows(window, iter(bodies)) for row in rows], warnings.messages


def try_to_read(
    *pages: object, window: Window = documented_response.WINDOW, zone: str | None = None
) -> tuple[list[Row], dict[str, str], str]:
    """Return the rows and warnings, and the error if there is one."""
    try:
        return *read(*pages, window=window, zone=zone), ""
    except UnexpectedResponseError as error:
        return [], {}, str(error)


def page_of(dates: Iterable[tuple[str | None, str | None]], user_id: str = "1") -> dict[str, Any]:
    """Return a page with one user, and an item for each pair of dates."""
    items = [{"callsAsHost": number, "fromDate": start, "toDate": end} for number, (start, end) in enumerate(dates)]
    return {"usersAggregateActivity": [{"userId": user_id, "userAggregateActivity": items}]}


def first_instant(day: date, zone: str) -> datetime:
    """Return the instant at which a day starts in a zone, searched in steps of 15 minutes."""
    before = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - timedelta(hours=15)
    quarters = (before + timedelta(minutes=15 * number) for number in range(4 * 30))
    instant = next(moment for moment in quarters if moment.astimezone(ZoneInfo(zone)).date() == day)
    return instant.astimezone(ZoneInfo(zone))


def in_utc(instant: datetime) -> str:
    """Return an instant in UTC, in a format of Gong's documentation."""
    return instant.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def test_gongs_example() -> None:
    """Gong's example has one row, whose malformed toDate has a date but no instant."""
    rows, warnings = read(documented_response.example())
    assert rows == [
        Row(
            user_id="234599484848423",
            user_email_address="test@test.com",
            aggregation_period="DAY",
            period_start_date="2019-01-20",
            period_end_date="2019-01-21",
            period_start_at="2019-01-20T08:00:00Z",
            period_end_at=None,
            is_complete=True,
            calls_as_host=20,
            calls_gave_feedback=35,
            calls_requested_feedback=77,
            calls_received_feedback=67,
            own_calls_listened_to=668,
            others_calls_listened_to=96,
            calls_shared_internally=478,
            calls_shared_externally=75,
            calls_scorecards_filled=876,
            calls_scorecards_received=876,
            calls_attended=46,
            calls_comments_given=21,
            calls_comments_received=13,
            calls_marked_as_feedback_given=24,
            calls_marked_as_feedback_received=35,
        )
    ]
    assert list(warnings) == ["instant"]
    assert "Gong's toDate '2019-01-21T000:00:00-08:00' isn't a valid time" in warnings["instant"]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-01-17T16:20:05-03:00", "2024-01-17T19:20:05Z"),
        ("2016-02-16T03:57:04.834+05:30", "2016-02-15T22:27:04.834000Z"),
        ("2020-11-20T21:30:07.233692Z", "2020-11-20T21:30:07.233692Z"),
    ],
)
def test_instants_are_converted_to_utc(text: str, instant: str) -> None:
    """Instants in each format of Gong's documentation are converted to UTC."""
    zone = ZoneInfo("Asia/Kolkata")
    start = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(zone).date()
    rows, _ = read(
        page_of([(text, f"{start + ONE_DAY}T00:00:00+05:30")]),
        window=Window(Grain.DAY, start, start + ONE_DAY),
        zone=zone.key,
    )
    assert [(row.period_start_date, row.period_start_at) for row in rows] == [(str(start), instant)]


def test_columns_match_the_schema() -> None:
    """The columns have the order and types of the schema."""
    properties = json.loads(SCHEMA.read_text())["properties"]
    assert tuple(properties) == COLUMNS
    for field in msgspec.structs.fields(Row):
        types = properties[field.name]["type"]
        kinds = {"string": str, "integer": int, "boolean": bool, "null": type(None)}
        schema_types = {kinds[name] for name in ([types] if isinstance(types, str) else types)}
        assert schema_types == set(getattr(field.type, "__args__", (field.type,))), field.name


def test_counters_are_in_gongs_order() -> None:
    """The last fifteen columns are Gong's counters in Gong's order."""
    assert COLUMNS[-15:] == tuple(documented_response.COUNTERS.values())


@pytest.mark.parametrize("user_id", ["99999999999999999999", "007"])
def test_user_id_is_a_string(user_id: str) -> None:
    """A user ID is a string, because it can exceed 64-bit integers or have leading zeros."""
    page = documented_response.example()
    page["usersAggregateActivity"][0]["userId"] = user_id
    (row,), _ = read(page)
    assert row.user_id == user_id


def test_each_page_has_a_list_of_rows_in_order() -> None:
    """Each page has a list of rows, in the order of its users."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    dates = [(f"{day}T00:00:00Z", f"{end}T00:00:00Z") for day, end in window.periods().items()]
    pages = [
        {"usersAggregateActivity": [page_of(dates, user)["usersAggregateActivity"][0] for user in users]}
        for users in (["a", "b"], [], ["c"])
    ]
    lists = list(
        RowReader(None, warn=Warnings(), redact=redact).rows(window, (json.dumps(page).encode() for page in pages))
    )
    assert [[(row.user_id, row.period_start_date[-2:]) for row in rows] for rows in lists] == [
        [("a", "03"), ("a", "04"), ("a", "05"), ("b", "03"), ("b", "04"), ("b", "05")],
        [],
        [("c", "03"), ("c", "04"), ("c", "05")],
    ]


@pytest.mark.parametrize("items", [None, []])
def test_user_without_items_has_no_row(items: object) -> None:
    """A user without items has no row, and needs no ID."""
    page = documented_response.example()
    expected, _ = read(page)
    page["usersAggregateActivity"][:0] = [{"userId": "1", "userAggregateActivity": items}, {}]
    assert read(page)[0] == expected


def test_open_period_is_marked() -> None:
    """The open period's row isn't complete, and ends with the range."""
    window = Window(Grain.WEEK, date(2025, 3, 10), date(2025, 3, 12), is_complete=False)
    (row,), _ = read(page_of([("2025-03-10T00:00:00Z", "2025-03-12T00:00:00Z")]), window=window)
    assert (row.aggregation_period, row.period_end_date, row.is_complete) == ("WEEK", "2025-03-12", False)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2025-03-02T00:00:00Z", "2025-03-03T00:00:00Z"),
        ("2025-03-03T00:00:00Z", "2025-03-05T00:00:00Z"),
    ],
    ids=["before", "two days"],
)
@pytest.mark.parametrize("zone", [None, "Asia/Kolkata"])
def test_dates_outside_the_window_are_an_error(start: str, end: str, zone: str | None) -> None:
    """Dates that weren't requested are an error that names the setting to check."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    with pytest.raises(UnexpectedResponseError, match=r"'2025-03-0.* match any DAY .*company_timezone"):
        read(page_of([(start, end)]), window=window, zone=zone)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Los_Angeles"])
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_dates_at_the_limits_of_the_calendar_are_an_error(text: str, zone: str) -> None:
    """Dates at the limits of the calendar are an error without an overflow."""
    for dates in ((text, "2019-01-21T00:00:00-08:00"), ("2019-01-20T00:00:00-08:00", text)):
        with pytest.raises(UnexpectedResponseError, match="match any DAY"):
            read(page_of([dates]), zone=zone)


def test_first_day_of_the_calendar_keeps_its_date() -> None:
    """The first day of the calendar keeps its date, and its instant is null."""
    window = Window(Grain.DAY, date(1, 1, 1), date(1, 1, 2))
    (row,), warnings = read(page_of([("0001-01-01T00:00:00+05:30", "0001-01-02T00:00:00+05:30")]), window=window)
    assert (row.period_start_date, row.period_start_at) == ("0001-01-01", None)
    assert "instant" in warnings


@pytest.mark.parametrize("name", ["fromDate", "toDate"])
@pytest.mark.parametrize("text", [None, ""])
def test_missing_date_is_named(name: str, text: str | None) -> None:
    """A missing date is an error that names its field, because the row would have no key."""
    page = documented_response.example()
    page["usersAggregateActivity"][0]["userAggregateActivity"][0][name] = text
    with pytest.raises(UnexpectedResponseError, match=f"without {name}"):
        read(page)


@pytest.mark.parametrize("name", ["fromDate", "toDate"])
@pytest.mark.parametrize("text", ["2019-02-30T00:00:00Z", "20190120", "2019-1-20", "\n" * 10])
def test_invalid_date_is_named(name: str, text: str) -> None:
    """A date whose first ten characters are invalid is an error that names its field."""
    page = documented_response.example()
    page["usersAggregateActivity"][0]["userAggregateActivity"][0][name] = text
    with pytest.raises(UnexpectedResponseError, match=f"{name} isn't a date") as error:
        read(page)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("user_id", [None, ""])
def test_user_without_an_id_is_an_error(user_id: str | None) -> None:
    """A user with rows but without an ID is an error, because they would have no key."""
    page = documented_response.example()
    page["usersAggregateActivity"][0]["userId"] = user_id
    with pytest.raises(UnexpectedResponseError, match="userId"):
        read(page)


def test_unknown_fields_cause_one_warning_and_are_left_out() -> None:
    """Unknown fields are left out, with one warning that contains no email address."""
    page = documented_response.example()
    user = page["usersAggregateActivity"][0]
    expected, _ = read(page)
    user["userAggregateActivity"][0]["callsTranslated"] = 3
    user["someone@example.com"] = True
    page["usersAggregateActivity"] *= 2
    rows, warnings = read(page, page)
    assert rows == expected * 4
    assert list(warnings) == ["unknown fields", "instant"]
    assert "2 unknown fields" in warnings["unknown fields"]
    assert "callsTranslated" in warnings["unknown fields"]
    assert "someone" not in warnings["unknown fields"]


@pytest.mark.parametrize(
    ("days", "numbers"),
    [([], "only 0 of 3"), (["03"], "only 1 of 3"), (["03", "05"], "only 2 of 3"), (["03", "04", "04"], "only 2 of 3")],
)
def test_user_with_missing_periods_causes_a_warning(days: list[str], numbers: str) -> None:
    """A user with missing periods causes one warning with the numbers, and every row is yielded."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    complete = [(f"{day}T00:00:00Z", f"{end}T00:00:00Z") for day, end in window.periods().items()]
    pages = [
        page_of(complete, "1"),
        page_of([period for day in days for period in complete if f"-{day}T" in period[0]], "2"),
    ]
    rows, warnings = read(*pages, window=window)
    assert [row.period_start_date[-2:] for row in rows] == ["03", "04", "05", *days]
    assert list(warnings) == ["missing periods"]
    assert numbers in warnings["missing periods"]
    assert "2025-03-03 to 2025-03-06" in warnings["missing periods"]


# Zones


@SOME
@given(
    zone=st.sampled_from(ZONES),
    start=st.dates(date(2016, 1, 1), date(2030, 1, 1)),
    grain=st.sampled_from(Grain),
    is_known=st.booleans(),
)
@example(zone="America/Santiago", start=date(2024, 9, 7), grain=Grain.DAY, is_known=True)
@example(zone="America/Santiago", start=date(2024, 9, 7), grain=Grain.DAY, is_known=False)
@example(zone="America/Havana", start=date(2024, 11, 2), grain=Grain.DAY, is_known=True)
@example(zone="Asia/Beirut", start=date(2025, 3, 29), grain=Grain.MONTH, is_known=True)
@example(zone="Pacific/Kiritimati", start=date(2024, 12, 31), grain=Grain.DAY, is_known=False)
@example(zone="Etc/GMT+12", start=date(2024, 12, 31), grain=Grain.DAY, is_known=False)
def test_dates_in_the_companys_offset_never_shift(zone: str, start: date, grain: Grain, *, is_known: bool) -> None:
    """Dates in the company's own offset never shift, in any zone and around changes of the clock."""
    start = grain.period_start(start)
    (window,) = cut_into_windows(
        grain,
        start,
        grain.next_start(grain.next_start(start)),
        periods_per_window=2,
        include_open_period=False,
    )
    instants = [(first_instant(first, zone), first_instant(end, zone)) for first, end in window.periods().items()]
    assume(all(instant.isoformat()[-3] == ":" for pair in instants for instant in pair))
    rows, warnings = read(
        page_of([(left.isoformat(), right.isoformat()) for left, right in instants]),
        window=window,
        zone=zone if is_known else None,
    )
    assert not warnings
    assert [(row.period_start_date, row.period_end_date) for row in rows] == [
        (str(first), str(end)) for first, end in window.periods().items()
    ]
    assert [(row.period_start_at, row.period_end_at) for row in rows] == [
        (in_utc(left), in_utc(right)) for left, right in instants
    ]


@MANY
@given(zone=st.sampled_from(ZONES), day=st.dates(date(2016, 1, 1), date(2030, 1, 1)), is_known=st.booleans())
@example(zone="Asia/Kolkata", day=date(2025, 3, 4), is_known=True)
@example(zone="Asia/Kolkata", day=date(2025, 3, 4), is_known=False)
@example(zone="America/Santiago", day=date(2024, 9, 8), is_known=True)
@example(zone="Pacific/Kiritimati", day=date(2025, 3, 4), is_known=True)
@example(zone="Pacific/Kiritimati", day=date(2025, 3, 4), is_known=False)
@example(zone="Etc/GMT+12", day=date(2025, 3, 4), is_known=True)
@example(zone="Etc/GMT+12", day=date(2025, 3, 4), is_known=False)
@example(zone="Pacific/Honolulu", day=date(2025, 3, 4), is_known=False)
def test_dates_in_utc_never_shift(zone: str, day: date, *, is_known: bool) -> None:
    """Dates in UTC are right, or without company_timezone an error that names the setting."""
    window = Window(Grain.DAY, day - ONE_DAY, day + 2 * ONE_DAY)
    dates = [tuple(in_utc(first_instant(edge, zone)) for edge in period) for period in window.periods().items()]
    page = page_of([(start, end) for start, end in dates])
    rows, warnings, error = try_to_read(page, window=window, zone=zone if is_known else None)
    if error:
        assert not is_known, error
        assert "set company_timezone" in error
    else:
        assert [row.period_start_date for row in rows] == [str(day + number * ONE_DAY) for number in (-1, 0, 1)]
        edges = [*window.periods(), window.end]
        is_elsewhere = any(first_instant(edge, zone).utcoffset() for edge in edges)
        assert set(warnings) == ({"offset"} if is_known and is_elsewhere else set())


def test_dates_of_kolkata_in_utc_need_its_zone() -> None:
    """Dates in UTC need company_timezone if a day starts on the previous day in UTC."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 5))
    page = page_of([("2025-03-02T18:30:00Z", "2025-03-03T18:30:00Z"), ("2025-03-03T18:30:00Z", "2025-03-04T18:30:00Z")])
    rows, warnings = read(page, window=window, zone="Asia/Kolkata")
    assert [(row.period_start_date, row.period_start_at) for row in rows] == [
        ("2025-03-03", "2025-03-02T18:30:00Z"),
        ("2025-03-04", "2025-03-03T18:30:00Z"),
    ]
    assert list(warnings) == ["offset"]
    with pytest.raises(UnexpectedResponseError, match="set company_timezone"):
        read(page, window=window)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2025-03-03T018:30:00Z", "2025-03-04T18:30:00Z"),
        ("2025-03-03T18:30:00Z", "2025-03-04T018:30:00Z"),
    ],
)
@pytest.mark.parametrize("zone", [None, "Asia/Kolkata"])
def test_ambiguous_date_is_an_error(start: str, end: str, zone: str | None) -> None:
    """A date is an error if one of the two instants may be in UTC and company_timezone is needed."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    with pytest.raises(UnexpectedResponseError, match="set company_timezone"):
        read(page_of([(start, end)]), window=window, zone=zone)


@pytest.mark.parametrize("end", [None, "2025-03-05T00:00:00Z", "tomorrow"])
def test_end_of_a_known_start_is_checked(end: str | None) -> None:
    """The end is checked, even if an item with the same start was checked before."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    complete = ("2025-03-03T00:00:00Z", "2025-03-04T00:00:00Z")
    with pytest.raises(UnexpectedResponseError):
        read(page_of([complete, ("2025-03-03T00:00:00Z", end)]), window=window)


def test_unexpected_offset_causes_one_warning() -> None:
    """An offset that differs from company_timezone causes one warning, and dates stay Gong's."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    dates = [(f"{day}T00:00:00-08:00", f"{end}T00:00:00-08:00") for day, end in window.periods().items()]
    rows, warnings = read(page_of(dates), page_of(dates), window=window, zone="America/New_York")
    assert [row.period_start_date for row in rows] == ["2025-03-03", "2025-03-04", "2025-03-05"] * 2
    assert list(warnings) == ["offset"]
    assert "America/New_York" in warnings["offset"]
    assert "Gong's fromDate '2025-03-03T00:00:00-08:00' has" in warnings["offset"]
    assert "company_timezone" in warnings["offset"]


# Any response

INTEGERS = [0, 1, -1, 20, 2**31, 2**63, 10**30, None]
OTHERS = ["", "1", 1.5, True, [], {}, [1]]


@st.composite
def members(draw: st.DrawFn, name: str, values: list[Any], odds: int = 6) -> list[tuple[str, Any]]:
    """Draw a field as a list of members: valid, missing, or something else."""
    if draw(st.integers(0, odds)):
        return [(name, values[0])]
    return [(name, value) for value in draw(st.lists(st.sampled_from([*values, *OTHERS]), max_size=1))]


@st.composite
def items(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Draw one period of a user."""
    fields = []
    for name in documented_response.COUNTERS:
        fields += draw(members(name, [draw(st.sampled_from(INTEGERS)), *INTEGERS], 60))
    fields += draw(members("fromDate", ["2019-01-20T00:00:00-08:00", None, "2019-01-19T00:00:00-08:00"], 25))
    fields += draw(members("toDate", ["2019-01-21T00:00:00-08:00", None, "2019-01-21T000:00:00-08:00"], 25))
    fields += draw(st.sampled_from([[], [], [], [], [], [("callsTranslated", 3)]]))
    return draw(st.permutations(fields))


@st.composite
def users(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Draw one user of a response."""
    periods = [Members(item) for item in draw(st.lists(items(), max_size=2))]
    return [
        *draw(members("userId", ["99999999999999999999", None], 20)),
        *draw(members("userEmailAddress", ["a@b.io", None], 20)),
        *draw(members("userAggregateActivity", [periods, None], 30)),
        *draw(st.sampled_from([[], [], [], [("manager", {"userId": 3})]])),
    ]


class Members(list[tuple[str, Any]]):
    """An object's members, several of which can have the same name."""


def text_of(value: object) -> str:
    """Return JSON, with duplicate members."""
    if isinstance(value, Members):
        return "{" + ", ".join(f"{json.dumps(name)}: {text_of(inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return json.dumps(value)


def invalid_fields(user: dict[str, Any]) -> set[str]:
    """Return the fields that an error may name."""
    invalid = {name for name in ("userId", "userEmailAddress") if not isinstance(user.get(name), str | None)}
    periods = user.get("userAggregateActivity")
    if not isinstance(periods, list | None):
        return invalid | {"userAggregateActivity"}
    for period in periods or []:
        if not isinstance(period, Members):
            invalid.add("userAggregateActivity")
            continue
        item = dict(period)
        invalid |= {name for name in documented_response.COUNTERS if type(item.get(name)) not in {int, type(None)}}
        invalid |= {name for name in ("fromDate", "toDate") if not str(item.get(name) or "").startswith("2019-01-2")}
        invalid |= set() if user.get("userId") else {"userId"}
    return invalid


@SOME
@given(listed=st.lists(users(), max_size=3))
def test_any_response_has_its_rows_or_an_error_that_names_the_field(listed: list[list[tuple[str, Any]]]) -> None:
    """Any response has its rows or is an error that names the field, and no value is lost or invented."""
    body = text_of(Members([("usersAggregateActivity", [Members(user) for user in listed])])).encode()
    objects = [dict(user) for user in listed]
    invalid = {name for user in objects for name in invalid_fields(user)}
    rows, warnings, error = try_to_read(body)
    if error:
        assert any(name in error for name in invalid) or (invalid and "2019-01-19" in error), error
        return
    assert not invalid
    expected = [
        (user["userId"], user.get("userEmailAddress"), *(dict(item).get(name) for name in documented_response.COUNTERS))
        for user in objects
        for item in user.get("userAggregateActivity") or []
    ]
    assert [(row.user_id, row.user_email_address, *msgspec.structs.astuple(row)[8:]) for row in rows] == expected
    assert {(row.period_start_date, row.period_end_date) for row in rows} <= {("2019-01-20", "2019-01-21")}
    assert all(type(value) is not bool for row in rows for value in msgspec.structs.astuple(row)[8:])
    unknown = {
        name
        for user in objects
        for members_of in (user, *(dict(item) for item in user.get("userAggregateActivity") or []))
        for name in {"manager", "callsTranslated"} & members_of.keys()
    }
    assert unknown == {name for name in ("manager", "callsTranslated") if name in warnings.get("unknown fields", "")}
