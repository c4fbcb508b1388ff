"""What the models should hold, computed from what Gong has returned, without SQL."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from support.expected_rows import COUNTER_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gong_sandbox import Profile

    from dbt_support.real_company import RealCompany, Returned

ZERO = (0,) * len(COUNTER_COLUMNS)
Coaching = dict[tuple[str, date], dict[str, int]]


@dataclass(frozen=True)
class Chain:
    """The managers above a user, nearest first, and the user's `manager_status`."""

    managers: tuple[str, ...]
    status: str


def chain_of(user_id: str, people: Mapping[str, Profile]) -> Chain:
    """Follow a user's managers upward."""
    passed = [user_id]
    status = "none"
    while (profile := people.get(passed[-1])) and (manager := profile.manager_id):
        if manager == passed[-1] or manager not in people:
            own = "self" if manager == passed[-1] else "not listed"
            return Chain(tuple(passed[1:]), "listed" if len(passed) > 1 else own)
        status = "listed"
        if manager in passed:
            return Chain(tuple(passed[1:]), "loop")
        passed.append(manager)
    return Chain(tuple(passed[1:]), status)


def manager_of(user_id: str, people: Mapping[str, Profile]) -> str | None:
    """Return a user's manager, if Gong lists them and they are somebody else."""
    manager = people[user_id].manager_id if user_id in people else None
    return manager if manager in people and manager != user_id else None


def detours(people: Mapping[str, Profile]) -> set[str]:
    """Return whose managers don't lead to the top."""
    return {user_id for user_id in people if chain_of(user_id, people).status in {"not listed", "loop"}}


def coaching(company: RealCompany, returned: Returned) -> Coaching:
    """Return each person's counters in each of their months."""
    rows = returned.periods["month"]
    months = months_between(min(start for _, start in rows), max(start for _, start in rows))
    people = returned.people
    found: Coaching = {}
    for user_id in people.keys() | {user_id for user_id, _ in rows}:
        worked = [start for (user, start), period in rows.items() if user == user_id and any(period.counters)]
        profile = people.get(user_id)
        for month in months:
            has_begun = bool(worked) and min(worked) <= month
            has_account = profile is not None and profile.created < company.midnight(next_month(month))
            stays = profile is not None and profile.is_active is not False
            if (has_begun or has_account) and (stays or (bool(worked) and month <= max(worked))):
                period = rows.get((user_id, month))
                found[user_id, month] = named(period.counters if period else ZERO)
    return found


def team_coaching(by_person: Coaching, people: Mapping[str, Profile]) -> dict[tuple[str, date], dict[str, int]]:
    """Return the sums over each manager's direct reports."""
    teams: defaultdict[tuple[str, date], list[dict[str, int]]] = defaultdict(list)
    for (user_id, month), counters in by_person.items():
        manager = manager_of(user_id, people)
        if manager is not None:
            teams[manager, month].append(counters)
    summed = (
        "calls_as_host",
        "calls_attended",
        "calls_gave_feedback",
        "calls_requested_feedback",
        "calls_received_feedback",
    )
    return {
        key: {
            "members": len(members),
            **{name: sum(counters[name] for counters in members) for name in summed},
            "members_who_hosted": sum(counters["calls_as_host"] > 0 for counters in members),
            "members_without_feedback": sum(
                counters["calls_as_host"] > 0 and not counters["calls_received_feedback"] for counters in members
            ),
        }
        for key, members in teams.items()
    }


def disagreements(returned: Returned) -> set[tuple[str, date, str, tuple[str, ...]]]:
    """Return where a week or month doesn't lie between the largest of its days and their sum."""
    days = returned.periods["day"]
    first, end = min(start for _, start in days), max(period.end for period in days.values())
    found = set()
    for grain in ("week", "month"):
        wholes = returned.periods[grain]
        spans = {start: period.end for (_, start), period in wholes.items()}
        for start, following in spans.items():
            if start < first or following > end:
                continue
            for user in {user for user, _ in days.keys() | wholes.keys()}:
                parts = [days[user, day].counters for day in days_between(start, following) if (user, day) in days]
                whole = wholes[user, start].counters if (user, start) in wholes else ZERO
                wrong = tuple(
                    name
                    for name, total, values in zip(
                        COUNTER_COLUMNS, whole, zip(*(parts or [ZERO]), strict=True), strict=True
                    )
                    if not max(values) <= total <= sum(values)
                )
                if wrong:
                    found.add((grain, start, user, wrong))
    return found


def named(counters: Iterable[int]) -> dict[str, int]:
    """Return counters by the names of their columns."""
    return dict(zip(COUNTER_COLUMNS, counters, strict=True))


def days_between(start: date, end: date) -> list[date]:
    """Return the days from `start` up to, without, `end`."""
    return [start + timedelta(days=number) for number in range((end - start).days)]


def months_between(first: date, last: date) -> list[date]:
    """Return the first days of the months from `first` to `last`."""
    return [day for day in days_between(first, next_month(last)) if day.day == 1]


def next_month(month: date) -> date:
    """Return the first day of the month after."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)
