"""The pages of one window, from one cursor to the next."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tap_gong_activity.client import NothingFoundError
from tap_gong_activity.errors import GongError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_gong_activity.client import GongClient
    from tap_gong_activity.settings import Settings
    from tap_gong_activity.windows import Window

MOST_USERS_A_PAGE = 1_000
"""Gong puts 100 users on a page, and no field changes it; ten times that is still taken for a page."""

MOST_BYTES_A_PERIOD = 1_024
"""One user's item for one period takes about 600 bytes."""

SMALLEST_LIMIT = 33_554_432
"""Bytes that any answer may have, whatever its window."""


def window_body(settings: Settings, window: Window) -> dict[str, Any]:
    """What Gong is asked for a window, without the cursor."""
    wanted: dict[str, Any] = {"fromDate": str(window.start), "toDate": str(window.end)}
    if settings.user_ids is not None:
        wanted["userIds"] = list(settings.user_ids)
    if settings.users_created_from is not None:
        wanted["createdFromDateTime"] = settings.users_created_from
    if settings.users_created_to is not None:
        wanted["createdToDateTime"] = settings.users_created_to
    return {"aggregationPeriod": window.grain.value, "filter": wanted}


def read_pages(
    client: GongClient,
    settings: Settings,
    window: Window,
    *,
    warn: Callable[[str, str], None],
    is_wanted: Callable[[], bool],
) -> Iterator[bytes | bytearray]:
    """Read a window, page after page; none at all if Gong found nothing.

    A cursor that Gong refuses on a later page (it expires) starts the window over once, so that a page can come twice.

    Args:
        client: What asks Gong.
        settings: The tap's settings.
        window: The days to ask for.
        warn: Takes the kind of a warning and its sentence, and lets each kind pass once.
        is_wanted: Whether the window's pages are still of use.

    Raises:
        GongError: If Gong refuses, or its cursors go in a circle.
    """
    try:
        yield from _pages_once(client, settings, window, warn, is_wanted)
    except _CursorRefusedError as refusal:
        warn("cursor", f"{refusal} to a cursor of {window}, which is therefore read again from its first page.")
        try:
            yield from _pages_once(client, settings, window, warn, is_wanted)
        except _CursorRefusedError as again:
            message = f"{again}, also after the window was read again from its first page"
            raise GongError(message, again.status) from None


class _CursorRefusedError(GongError):
    """Gong refused a cursor that it had given out itself."""


def _pages_once(
    client: GongClient,
    settings: Settings,
    window: Window,
    warn: Callable[[str, str], None],
    is_wanted: Callable[[], bool],
) -> Iterator[bytes | bytearray]:
    body = window_body(settings, window)
    largest = max(SMALLEST_LIMIT, MOST_USERS_A_PAGE * MOST_BYTES_A_PERIOD * len(window.periods()))
    seen: set[str] = set()
    while True:
        try:
            page = client.ask(body, largest_answer=largest, is_wanted=is_wanted)
        except GongError as error:
            if seen and (error.status == HTTPStatus.BAD_REQUEST or isinstance(error, NothingFoundError)):
                raise _CursorRefusedError(str(error), error.status) from None
            if not isinstance(error, NothingFoundError):
                raise
            among = ", the setting user_ids may name no user who is active" if settings.user_ids is not None else ""
            warn("nothing found", f"{error}: {window} is taken as empty{among}.")
            return
        cursor = page.cursor
        yield page.body
        # Or it would stay in memory, in each thread, while the next one comes in.
        del page
        if cursor is None:
            return
        if cursor in seen:
            message = "Gong gave a cursor that it had given for this window before, so paging would never end"
            raise GongError(message)
        seen.add(cursor)
        body = {**body, "cursor": cursor}
