"""The pages of a request: from cursor to cursor, and once more if users are missing."""

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
"""Pages in a row after which paging doesn't advance."""

MAX_FRUITLESS_READINGS = 2
"""Second readings that found nobody new, after which a run doesn't read a request twice for missing users."""

TURN_SECONDS = 0.1
"""How often to check whether the pages before have been written."""

LONG_WAIT_SECONDS = 1.0
"""How long a page has to wait to be taken for its cursor to have expired meanwhile."""


class PageReader:
    """Reads the pages of requests; safe to share between threads.

    Args:
        client: Makes the requests.
        warn: Takes the kind of a warning and its sentence, and logs each kind once.
        clock: Time.
    """

    def __init__(self, client: GongClient, *, warn: Callable[[str, str], None], clock: Clock) -> None:
        self._client = client
        self._warn = warn
        self._clock = clock
        self._fruitless_readings = 0

    def read(self, request: PagedRequest) -> Iterator[bytes | bytearray]:
        """Read all pages; none if Gong found nothing.

        Pages come twice if a cursor expired, or if fewer users came than Gong counts. Gong's counts are evidence, not
        law: if a second reading brings nobody new either, the request is complete.

        Args:
            request: What to request.

        Raises:
            GongError: If Gong refuses, or paging doesn't advance.
        """
        # Hashes, as IDs and cursors can be of any length.
        users: set[int] = set()
        total = yield from self._read_once(request, users)
        if total is None or len(users) >= total:
            return
        # One request after another, in order, so that how many are read twice doesn't depend on threads.
        while priority.get()() != FIRST:
            self._clock.wait(TURN_SECONDS)
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
        """Read all pages, from the first again if a cursor expires; return the last one's total."""
        has_restarted, most_pages = False, 0
        while True:
            try:
                return (yield from self._read_pages(request, users))
            except _CursorRefusedError as refusal:  # noqa: PERF203 - once a reading
                # A cursor that expired while its page waited says nothing about Gong. Each such restart has to come
                # further than the one before, or a slow target would cause them without end.
                if refusal.seconds_waited >= LONG_WAIT_SECONDS and refusal.pages > most_pages:
                    most_pages = refusal.pages
                elif has_restarted:
                    message = f"{refusal}, also after a restart from its first page"
                    raise GongError(message, refusal.status) from None
                else:
                    has_restarted = True
                self._warn("cursor", f"{refusal} to a cursor of {request.name}; reading it again from its first page.")

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
                    max_bytes=request.max_bytes,
                )
            except GongError as error:
                if cursors and (error.status == HTTPStatus.BAD_REQUEST or isinstance(error, NothingFoundError)):
                    raise _CursorRefusedError(error, len(cursors), seconds_waited) from None
                if not isinstance(error, NothingFoundError):
                    raise
                self._warn("nothing found", f"{error}: {request.name} is taken as empty{request.hint_if_empty}.")
                return None
            on_page = set(map(hash, page.user_ids or ()))
            pages_without_new_user = pages_without_new_user + 1 if on_page <= users_read else 0
            users_read |= on_page
            users |= on_page
            # A page that doesn't say doesn't take back what the pages before it said.
            cursor, total, bodies = page.cursor, total if page.total is None else page.total, [page.body]
            # Or they'd stay in memory, in each thread, while they wait and while the next page comes in.
            del page, on_page
            given_at = self._clock.monotonic()
            yield bodies.pop()
            seconds_waited = self._clock.monotonic() - given_at
            if cursor is None:
                return total
            if hash(cursor) in cursors:
                message = (
                    "Gong returned a cursor that it had returned for this request before, so paging would never end"
                )
                raise GongError(message)
            if pages_without_new_user >= MAX_PAGES_WITHOUT_NEW_USER:
                message = (
                    f"Gong returned {pages_without_new_user} pages in a row without a new user: paging doesn't advance"
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
                f"{len(users):,} users have come"
            )
            raise FailedResponseError(problem, page.envelope)
        if page.has_replacements:
            self._warn(
                "lone surrogates",
                f"{request.name}: Gong returned lone surrogates, which are no valid text; each becomes U+FFFD.",
            )
        return page


class _CursorRefusedError(GongError):
    """Gong refused a cursor that it had returned itself.

    Attributes:
        pages: How many pages had been read.
        seconds_waited: How long the last of them waited to be taken.
    """

    def __init__(self, refusal: GongError, pages: int, seconds_waited: float) -> None:
        super().__init__(str(refusal), refusal.status)
        self.pages = pages
        self.seconds_waited = seconds_waited
