"""Pagination: follows the cursor, and reads a request again if users are missing."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.gong.failures import NothingFoundError
from tap_gong_activity.gong.rate_limit import FIRST, priority
from tap_gong_activity.gong.responses import FailedResponseError, Page, read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.gong.client import GongClient
    from tap_gong_activity.gong.endpoints import PagedRequest

MAX_PAGES_WITHOUT_NEW_USER = 10
"""Number of such pages in a row after which pagination fails."""

MAX_FRUITLESS_READINGS = 2
"""Number of second readings without a new user, after which a run stops reading requests again for missing users."""

POLL_SECONDS = 0.1
"""Interval for checking whether all earlier pages have been written."""

LONG_WAIT_SECONDS = 1.0
"""Time that a page has to wait to explain why its cursor expired."""


class PageReader:
    """Reads paginated responses; safe to share between threads.

    Args:
        client: Sends the requests.
        warn: Called with the kind and the text of a warning; logs each kind once.
        clock: The clock of the run.
    """

    def __init__(self, client: GongClient, *, warn: Callable[[str, str], None], clock: Clock) -> None:
        self._client = client
        self._warn = warn
        self._clock = clock
        self._fruitless_readings = 0

    def read(self, request: PagedRequest) -> Iterator[bytes | bytearray]:
        """Yield all pages, or none if Gong found nothing.

        Pages are repeated after a cursor expired, or if Gong returned fewer users than it counts. Its counts are
        evidence, not proof: if a second reading returns the same users, the request is complete.

        Args:
            request: The request.

        Raises:
            GongError: If Gong rejects the request, or pagination doesn't advance.
        """
        # Hashes, because IDs and cursors can have any length.
        users: set[int] = set()
        total = yield from self._read_once(request, users)
        if total is None or len(users) >= total:
            return
        # In order, so that it doesn't depend on threads which requests are read twice.
        while priority.get()() != FIRST:
            self._clock.wait(POLL_SECONDS)
        again = self._fruitless_readings < MAX_FRUITLESS_READINGS
        if again:
            found = len(users)
            total_again = yield from self._read_once(request, users)
            total = total if total_again is None else total_again
            if len(users) >= total:
                return
            self._fruitless_readings += len(users) == found
        self._warn(
            "missing users",
            f"{request.name}: Gong counts {total:,} users in totalRecords but returned {len(users):,}"
            f"{', also when requested again' if again else ''}; continuing with those.",
        )

    def _read_once(self, request: PagedRequest, users: set[int]) -> Generator[bytes | bytearray, None, int | None]:
        """Yield all pages, starting over if a cursor expires; return the total of the last page."""
        has_restarted, most_pages = False, 0
        while True:
            try:
                return (yield from self._read_pages(request, users))
            except _CursorRejectedError as rejection:  # noqa: PERF203 - once a reading
                # If a page waited for a slow target, its cursor may expire. Each such restart has to read more pages
                # than the one before, or restarts would never end.
                if rejection.seconds_waited >= LONG_WAIT_SECONDS and rejection.pages > most_pages:
                    most_pages = rejection.pages
                elif has_restarted:
                    message = f"{rejection}, also after starting over from the first page"
                    raise GongError(message, rejection.status) from None
                else:
                    has_restarted = True
                self._warn("cursor", f"{request.name}: {rejection}, for a cursor; starting over from the first page.")

    def _read_pages(self, request: PagedRequest, users: set[int]) -> Generator[bytes | bytearray, None, int | None]:
        parameters, cursors, users_read = request.parameters, set[int](), set[int]()
        pages_without_new_user, seconds_waited = 0, 0.0
        total: int | None = None
        while True:
            try:
                page = self._client.request(
                    request.endpoint,
                    parameters,
                    partial(self._read_page, request, users, total),
                    name=request.name,
                    max_bytes=request.max_bytes,
                )
            except GongError as error:
                if cursors and (error.status == HTTPStatus.BAD_REQUEST or isinstance(error, NothingFoundError)):
                    raise _CursorRejectedError(error, len(cursors), seconds_waited) from None
                if not isinstance(error, NothingFoundError):
                    raise
                self._warn("nothing found", f"{request.name}: {error}; treating it as empty{request.hint_if_empty}.")
                return None
            on_page = set(map(hash, page.user_ids or ()))
            pages_without_new_user = pages_without_new_user + 1 if on_page <= users_read else 0
            users_read |= on_page
            users |= on_page
            # A page without a total doesn't revoke the total of an earlier page.
            cursor, total, bodies = page.cursor, total if page.total is None else page.total, [page.body]
            # Frees the page in this thread while it waits and while the next one is fetched.
            del page, on_page
            yielded_at = self._clock.monotonic()
            yield bodies.pop()
            seconds_waited = self._clock.monotonic() - yielded_at
            if cursor is None:
                return total
            if hash(cursor) in cursors:
                message = "Gong returned the same cursor twice for this request, so pagination would never end"
                raise GongError(message)
            if pages_without_new_user >= MAX_PAGES_WITHOUT_NEW_USER:
                message = (
                    f"Gong returned {pages_without_new_user} pages in a row without a new user, so pagination doesn't "
                    "advance"
                )
                raise GongError(message)
            cursors.add(hash(cursor))
            parameters = {**request.parameters, "cursor": cursor}

    def _read_page(
        self, request: PagedRequest, users: set[int], last_total: int | None, body: bytes | bytearray
    ) -> Page:
        page = read_page(body, request.endpoint)
        total = last_total if page.total is None else page.total
        if page.user_ids is None and total is not None and len(users) < total:
            problem = (
                f"has no {request.endpoint.users_field}, although records.totalRecords is {total:,} and only "
                f"{len(users):,} users were returned"
            )
            raise FailedResponseError(problem, page.envelope)
        if page.has_replacements:
            self._warn(
                "lone surrogates",
                f"{request.name}: Gong returned lone surrogates, which aren't valid Unicode; U+FFFD replaces each.",
            )
        return page


class _CursorRejectedError(GongError):
    """Gong rejected a cursor that it had returned.

    Attributes:
        pages: Number of pages read before.
        seconds_waited: How long the last of them waited for the consumer.
    """

    def __init__(self, rejection: GongError, pages: int, seconds_waited: float) -> None:
        super().__init__(str(rejection), rejection.status)
        self.pages = pages
        self.seconds_waited = seconds_waited
