"""Pages of records, in the format of Gong's responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gong_sandbox.activity import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gong_sandbox.company import Company, UserActivity
    from gong_sandbox.cursors import Cursors
    from gong_sandbox.profiles import Profile


class Listing(NamedTuple):
    """The records that a request matches.

    Attributes:
        array: Name of the array that holds the records in a response.
        records: The records of all pages.
        to_json: Function that converts a record to Gong's JSON.
        request: The body or the query that cursors are issued for.
        cursors: Issues cursors.
        page_size: Number of records per page.
    """

    array: str
    records: Sequence[Any]
    to_json: Callable[[Any], dict[str, Any]]
    request: dict[str, Any]
    cursors: Cursors
    page_size: int

    def page(self, number: int) -> dict[str, Any]:
        """Return page `number`, from 0."""
        page_records = self.page_records(number)
        records: dict[str, Any] = {
            "totalRecords": len(self.records),
            "currentPageSize": len(page_records),
            "currentPageNumber": number,
        }
        if (number + 1) * self.page_size < len(self.records):
            records["cursor"] = self.cursor(number + 1)
        return {"records": records, self.array: page_records}

    def page_records(self, number: int) -> list[dict[str, Any]]:
        """Return the records of page `number`."""
        first = number * self.page_size
        return [self.to_json(record) for record in self.records[first : first + self.page_size]]

    def cursor(self, number: int) -> str:
        """Return a new cursor to page `number`."""
        return self.cursors.issue(number, self.request)


def activity_to_json(company: Company, activity: Sequence[UserActivity]) -> Callable[[UserActivity], dict[str, Any]]:
    """Return a function that converts an element of `activity`, which all have the same periods."""
    dates = [
        {name: company.midnight(day).isoformat() for name, day in zip(("fromDate", "toDate"), period, strict=True)}
        for period in (activity[0].periods if activity else ())
    ]

    def to_json(user_activity: UserActivity) -> dict[str, Any]:
        return {
            "userId": user_activity.user.user_id,
            "userEmailAddress": user_activity.user.email_address,
            "userAggregateActivity": [
                {**dict(zip(COUNTERS, counters, strict=True)), **period}
                for counters, period in zip(user_activity.counters, dates, strict=True)
            ],
        }

    return to_json


def profile_to_json(company: Company) -> Callable[[Profile], dict[str, Any]]:
    """Return a function that converts a profile, and adds the personal details that Gong documents."""

    def to_json(profile: Profile) -> dict[str, Any]:
        handle = f"{profile.first_name}-{profile.last_name}".lower()
        return {
            "id": profile.user_id,
            "emailAddress": profile.email_address,
            "created": profile.created.astimezone(company.zone).isoformat(),
            "active": profile.is_active,
            "emailAliases": list(profile.email_aliases),
            "trustedEmailAddress": profile.email_address,
            "firstName": profile.first_name,
            "lastName": profile.last_name,
            "title": profile.title,
            "phoneNumber": None,
            "extension": None,
            "personalMeetingUrls": [f"https://meet.example.com/{handle}"],
            "settings": dict(profile.settings),
            "managerId": profile.manager_id,
            "meetingConsentPageUrl": f"https://join.example.com/{handle}",
            "conferencingProviders": ["zoom"],
            "spokenLanguages": [{"language": "en-US", "primary": True}],
        }

    return to_json
