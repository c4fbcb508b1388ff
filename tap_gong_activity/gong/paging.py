"""The pages of one request, from one cursor to the next."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.gong.failures import NothingFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_gong_activity.gong.client import GongClient
    from tap_gong_activity.gong.endpoints import PagedRequest


def read_pages(
    client: GongClient,
    request: PagedRequest,
    *,
    warn: Callable[[str, str], None],
) -> Iterator[bytes | bytearray]:
    """Read a request's answer, page after page; none at all if Gong found nothing.

    A cursor that Gong refuses on a later page (it expires) starts it over once, so that a page can come twice.

    Args:
        client: What asks Gong.
        request: What to ask for.
        warn: Takes the kind of a warning and its sentence, and lets each kind pass once.

    Raises:
        GongError: If Gong refuses, or its cursors go in a circle.
    """
    try:
        yield from _pages_once(client, request, warn)
    except _CursorRefusedError as refusal:
        warn("cursor", f"{refusal} to a cursor of {request.name}, which is therefore read again from its first page.")
        try:
            yield from _pages_once(client, request, warn)
        except _CursorRefusedError as again:
            message = f"{again}, also after the window was read again from its first page"
            raise GongError(message, again.status) from None


class _CursorRefusedError(GongError):
    """Gong refused a cursor that it had given out itself."""


def _pages_once(
    client: GongClient,
    request: PagedRequest,
    warn: Callable[[str, str], None],
) -> Iterator[bytes | bytearray]:
    body = request.body
    seen: set[str] = set()
    while True:
        try:
            page = client.post(request.path, body, max_bytes=request.largest_answer)
        except GongError as error:
            if seen and (error.status == HTTPStatus.BAD_REQUEST or isinstance(error, NothingFoundError)):
                raise _CursorRefusedError(str(error), error.status) from None
            if not isinstance(error, NothingFoundError):
                raise
            warn("nothing found", f"{error}: {request.name} is taken as empty{request.hint_if_empty}.")
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
