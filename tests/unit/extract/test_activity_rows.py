"""Rows out of responses: the right values for the right dates, or an error that says why not."""

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
        self.sentences: dict[str, str] = {}

    def __call__(self, kind: str, sentence: str) -> None:
        self.sentences.setdefault(kind, sentence)


def read(
    *pages: object, window: Window = documented_response.WINDOW, zone: str | None = None
) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of a window's pages, and the warnings by kind."""
    warnings = Warnings()
    bodies = [page if isinstance(page, bytes) else json.dumps(page).encode() for page in pages]
    reader = RowReader(ZoneInfo(zone) if zone else None, warn=warnings, redact=redact)
    return [row for rows in reader.rows(window, iter(bodies)) for row in rows], warnings.sentences


def try_to_read(
    *pages: object, window: Window = documented_response.WINDOW, zone: str | None = None
) -> tuple[list[Row], dict[str, str], str]:
    """Return the same, and the error if there was one."""
    try:
        return *read(*pages, window=window, zone=zone), ""
    except UnexpectedResponseError as error:
        return [], {}, str(error)


def page_of(dates: Iterable[tuple[str | None, str | None]], user_id: str = "1") -> dict[str, Any]:
    """Return a page with one user, and an item for each pair of dates."""
    items = [{"callsAsHost": number, "fromDate": start, "toDate": end} for number, (start, end) in enumerate(dates)]
    return {"usersAggregateActivity": [{"userId": user_id, "userAggregateActivity": items}]}


def first_instant(day: date, zone: str) -> datetime:
    """Return the instant at which a day begins in a zone, searched in steps of 15 minutes."""
    before = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - timedelta(hours=15)
    quarters = (before + timedelta(minutes=15 * number) for number in range(4 * 30))
    instant = next(moment for moment in quarters if moment.astimezone(ZoneInfo(zone)).date() == day)
    return instant.astimezone(ZoneInfo(zone))


def in_utc(instant: datetime) -> str:
    """Return an instant as Gong's documentation allows it."""
    return instant.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def test_gongs_example_gives_its_row() -> None:
    """Its toDate is malformed: the date is read, and the instant isn't."""
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
def test_instants_in_each_form_of_gongs_page_become_utc(text: str, instant: str) -> None:
    """Fractions and offsets vary; a late time of day is read in the company's zone."""
    zone = ZoneInfo("Asia/Kolkata")
    start = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(zone).date()
    rows, _ = read(
        page_of([(text, f"{start + ONE_DAY}T00:00:00+05:30")]),
        window=Window(Grain.DAY, start, start + ONE_DAY),
        zone=zone.key,
    )
    assert [(row.period_start_date, row.period_start_at) for row in rows] == [(str(start), instant)]


def test_columns_and_schema_name_the_same_in_the_same_order() -> None:
    """Their types are the same, too."""
    properties = json.loads(SCHEMA.read_text())["properties"]
    assert tuple(properties) == COLUMNS
    for field in msgspec.structs.fields(Row):
        types = properties[field.name]["type"]
        kinds = {"string": str, "integer": int, "boolean": bool, "null": type(None)}
        named = {kinds[name] for name in ([types] if isinstance(types, str) else types)}
        assert named == set(getattr(field.type, "__args__", (field.type,))), field.name


def test_the_counters_are_gongs_in_snake_case_and_order() -> None:
    """They are a row's last fifteen columns."""
    assert COLUMNS[-15:] == tuple(documented_response.COUNTERS.values())


@pytest.mark.parametrize("user_id", ["99999999999999999999", "007"])
def test_a_user_id_is_a_string(user_id: str) -> None:
    """Twenty digits don't fit into a 64-bit integer, and leading zeros count."""
    page = documented_response.example()
    page["usersAggregateActivity"][0]["userId"] = user_id
    (row,), _ = read(page)
    assert row.user_id == user_id


def test_each_page_has_a_list_of_rows_in_order() -> None:
    """They're ordered by user, as in the response."""
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
def test_a_user_without_items_has_no_row(items: object) -> None:
    """Not even an ID is required then."""
    page = documented_response.example()
    expected, _ = read(page)
    page["usersAggregateActivity"][:0] = [{"userId": "1", "userAggregateActivity": items}, {}]
    assert read(page)[0] == expected


def test_the_open_period_is_marked() -> None:
    """Its row ends with the range."""
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
def test_dates_that_were_not_requested_end_the_run(start: str, end: str, zone: str | None) -> None:
    """The message names the setting to check."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    with pytest.raises(UnexpectedResponseError, match=r"'2025-03-0.* match any DAY .*company_timezone"):
        read(page_of([(start, end)]), window=window, zone=zone)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Los_Angeles"])
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_dates_at_the_limits_of_the_calendar_end_the_run_like_any_other(text: str, zone: str) -> None:
    """They must not overflow when they're converted to another zone."""
    for dates in ((text, "2019-01-21T00:00:00-08:00"), ("2019-01-20T00:00:00-08:00", text)):
        with pytest.raises(UnexpectedResponseError, match="match any DAY"):
            read(page_of([dates]), zone=zone)


def test_the_first_day_of_the_calendar_keeps_its_date() -> None:
    """Its midnight may have no date in UTC, so the instant is null."""
    window = Window(Grain.DAY, date(1, 1, 1), date(1, 1, 2))
    (row,), warnings = read(page_of([("0001-01-01T00:00:00+05:30", "0001-01-02T00:00:00+05:30")]), window=window)
    assert (row.period_start_date, row.period_start_at) == ("0001-01-01", None)
    assert "instant" in warnings


@pytest.mark.parametrize("name", ["fromDate", "toDate"])
@pytest.mark.parametrize("text", [None, ""])
def test_a_missing_date_is_named(name: str, text: str | None) -> None:
    """No row goes out without its key."""
    page = documented_response.example()
    page["usersAggregateActivity"][0]["userAggregateActivity"][0][name] = text
    with pytest.raises(UnexpectedResponseError, match=f"without {name}"):
        read(page)


@pytest.mark.parametrize("name", ["fromDate", "toDate"])
@pytest.mark.parametrize("text", ["2019-02-30T00:00:00Z", "20190120", "2019-1-20", "\n" * 10])
def test_an_invalid_date_is_named(name: str, text: str) -> None:
    """Only the first ten characters are read."""
    page = documented_response.example()
    page["usersAggregateActivity"][0]["userAggregateActivity"][0][name] = text
    with pytest.raises(UnexpectedResponseError, match=f"{name} isn't a date") as caught:
        read(page)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("user_id", [None, ""])
def test_a_user_without_an_id_ends_the_run(user_id: str | None) -> None:
    """Its rows would have no key."""
    page = documented_response.example()
    page["usersAggregateActivity"][0]["userId"] = user_id
    with pytest.raises(UnexpectedResponseError, match="userId"):
        read(page)


def test_unknown_fields_cause_one_warning_and_are_left_out() -> None:
    """The warning repeats no email address in a name."""
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
def test_a_user_with_missing_periods_causes_a_warning(days: list[str], numbers: str) -> None:
    """It has the numbers; every row is yielded."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    whole = [(f"{day}T00:00:00Z", f"{end}T00:00:00Z") for day, end in window.periods().items()]
    pages = [
        page_of(whole, "1"),
        page_of([period for day in days for period in whole if f"-{day}T" in period[0]], "2"),
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
def test_dates_in_the_companys_own_offset_never_shift(zone: str, start: date, grain: Grain, *, is_known: bool) -> None:
    """That holds in every zone, with or without the setting, and if midnight is skipped or repeated."""
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
    """They're converted if the zone is set; if not, they're right, or the run ends and says to set it."""
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
    """Its midnight is 18:30 UTC of the day before, which was also requested."""
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
def test_a_date_that_only_one_instant_puts_in_doubt_is_not_guessed(start: str, end: str, zone: str | None) -> None:
    """The malformed one may be in UTC, too, and both dates are in the window."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    with pytest.raises(UnexpectedResponseError, match="set company_timezone"):
        read(page_of([(start, end)]), window=window, zone=zone)


@pytest.mark.parametrize("end", [None, "2025-03-05T00:00:00Z", "tomorrow"])
def test_an_end_is_checked_even_if_the_start_is_known(end: str | None) -> None:
    """Another user's item can have the same start."""
    window = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 6))
    whole = ("2025-03-03T00:00:00Z", "2025-03-04T00:00:00Z")
    with pytest.raises(UnexpectedResponseError):
        read(page_of([whole, ("2025-03-03T00:00:00Z", end)]), window=window)


def test_another_offset_than_the_zones_causes_one_warning() -> None:
    """It has the zone and Gong's text; the dates are Gong's."""
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
def members(draw: st.DrawFn, name: str, values: list[Any], chance: int = 6) -> list[tuple[str, Any]]:
    """Draw a field as a list of members: valid, missing, or something else."""
    if draw(st.integers(0, chance)):
        return [(name, values[0])]
    return [(name, value) for value in draw(st.lists(st.sampled_from([*values, *OTHERS]), max_size=1))]


@st.composite
def items(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Draw one period of a user."""
    found = []
    for name in documented_response.COUNTERS:
        found += draw(members(name, [draw(st.sampled_from(INTEGERS)), *INTEGERS], 60))
    found += draw(members("fromDate", ["2019-01-20T00:00:00-08:00", None, "2019-01-19T00:00:00-08:00"], 25))
    found += draw(members("toDate", ["2019-01-21T00:00:00-08:00", None, "2019-01-21T000:00:00-08:00"], 25))
    found += draw(st.sampled_from([[], [], [], [], [], [("callsTranslated", 3)]]))
    return draw(st.permutations(found))


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


def wrong_fields(user: dict[str, Any]) -> set[str]:
    """Return the fields that an error may name."""
    wrong = {name for name in ("userId", "userEmailAddress") if not isinstance(user.get(name), str | None)}
    periods = user.get("userAggregateActivity")
    if not isinstance(periods, list | None):
        return wrong | {"userAggregateActivity"}
    for period in periods or []:
        if not isinstance(period, Members):
            wrong.add("userAggregateActivity")
            continue
        item = dict(period)
        wrong |= {name for name in documented_response.COUNTERS if type(item.get(name)) not in {int, type(None)}}
        wrong |= {name for name in ("fromDate", "toDate") if not str(item.get(name) or "").startswith("2019-01-2")}
        wrong |= set() if user.get("userId") else {"userId"}
    return wrong


@SOME
@given(listed=st.lists(users(), max_size=3))
def test_any_response_has_its_rows_or_an_error_that_names_the_field(listed: list[list[tuple[str, Any]]]) -> None:
    """No value is lost or invented, be it null, missing, huge, negative, unknown or of another type."""
    body = text_of(Members([("usersAggregateActivity", [Members(user) for user in listed])])).encode()
    found = [dict(user) for user in listed]
    wrong = {name for user in found for name in wrong_fields(user)}
    rows, warnings, error = try_to_read(body)
    if error:
        assert any(name in error for name in wrong) or (wrong and "2019-01-19" in error), error
        return
    assert not wrong
    expected = [
        (user["userId"], user.get("userEmailAddress"), *(dict(item).get(name) for name in documented_response.COUNTERS))
        for user in found
        for item in user.get("userAggregateActivity") or []
    ]
    assert [(row.user_id, row.user_email_address, *msgspec.structs.astuple(row)[8:]) for row in rows] == expected
    assert {(row.period_start_date, row.period_end_date) for row in rows} <= {("2019-01-20", "2019-01-21")}
    assert all(type(value) is not bool for row in rows for value in msgspec.structs.astuple(row)[8:])
    unknown = {
        name
        for user in found
        for members_of in (user, *(dict(item) for item in user.get("userAggregateActivity") or []))
        for name in {"manager", "callsTranslated"} & members_of.keys()
    }
    assert unknown == {name for name in ("manager", "callsTranslated") if name in warnings.get("unknown fields", "")}
