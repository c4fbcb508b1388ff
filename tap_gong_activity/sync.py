"""One run: sync the selected streams, or try each with one request."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from singer_sdk.exceptions import SingerSDKError
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.singerlib import StateMessage

from tap_gong_activity.base.errors import MissingScopeError, TapError, TerminatedError
from tap_gong_activity.base.quiet import quiet
from tap_gong_activity.streams.stream import GongStream

if TYPE_CHECKING:
    from tap_gong_activity.tap import TapGongActivity


def sync_streams(tap: TapGongActivity) -> bool:
    """Sync the selected streams; the last message is a STATE, unless the run is killed.

    Returns:
        Whether all of them were synced; each failure has been logged.

    Raises:
        TapError: If the run can't continue; what was read has been written, and the last STATE is valid.
    """
    streams = _selected(tap)
    for stream in streams:
        stream.complete_state()
    try:
        # Also if nothing is selected, so that the last message is a STATE.
        if tap.state or not streams:
            tap.write_message(StateMessage(tap.state))
        results = {stream.name: _sync(tap, stream) for stream in streams}
    except Exception:
        # RECORD messages have followed the last STATE, and many targets discard it then.
        tap.write_message(StateMessage(tap.state))
        raise
    finally:
        _finish(tap)
    _log_summary(tap, results)
    return all(results.values())


def probe_streams(tap: TapGongActivity) -> bool:
    """Try each selected stream with one request, and log one line about each.

    Returns:
        Whether all of them can be read.
    """
    tap.limit_to_test()
    try:
        results = [_probe(tap, stream) for stream in _selected(tap)]
    finally:
        _finish(tap)
    return all(results)


def _selected(tap: TapGongActivity) -> list[GongStream]:
    streams = [
        stream
        for stream in tap.streams.values()
        if isinstance(stream, GongStream)
        and stream.selected
        and not all(isinstance(one, RemoveRecordTransform) for one in stream.stream_maps)
    ]
    if not streams:
        tap.logger.warning("No stream is selected, so nothing is read: check the catalog and stream_maps.")
    return streams


def _sync(tap: TapGongActivity, stream: GongStream) -> bool:
    try:
        stream.sync()
    except MissingScopeError as error:
        # Another stream's endpoint may need another scope.
        tap.logger.error("%s", error)  # noqa: TRY400 - a sentence, no traceback
        stream.write_state()
        return False
    return True


def _probe(tap: TapGongActivity, stream: GongStream) -> bool:
    stream.ABORT_AT_RECORD_COUNT = 1
    # After a failure that affects the whole run, a client sends no more requests.
    tap.close_client()
    rows_before = tap.tally.rows
    try:
        with quiet(stream.logger), quiet(tap.metrics_logger):
            stream.sync()
    except (TapError, SingerSDKError) as error:
        tap.logger.error("%s", error)  # noqa: TRY400 - a sentence, no traceback
        stream.write_state()
        return False
    rows = tap.tally.rows - rows_before
    tap.logger.info("%s: OK, Gong returned %s rows on the first page.", stream.name, f"{rows:,}")
    return True


def _finish(tap: TapGongActivity) -> None:
    tap.clock.stop()
    tap.close_client()
    # A signal must not wait for a target that has stopped reading; its rows are read again.
    if not isinstance(sys.exc_info()[1], TerminatedError):
        tap.message_writer.flush()


def _log_summary(tap: TapGongActivity, results: dict[str, bool]) -> None:
    tally = tap.tally
    synced = ", ".join(name for name, is_synced in results.items() if is_synced)
    failed = ", ".join(name for name, is_synced in results.items() if not is_synced)
    tap.logger.info(
        "Done: %s; %s%s rows, %s requests, %s of them retries, in %.1f s, of which %.1f s were spent waiting for the "
        "rate limit and %.1f s waiting for Gong.",
        synced or "no stream",
        f"failed: {failed}; " if failed else "",
        f"{tally.rows:,}",
        f"{tally.requests:,}",
        f"{tally.retries:,}",
        tally.seconds,
        tally.seconds_for_limit,
        tally.seconds_for_gong,
    )
    if tally.requests and not tally.rows and not failed:
        tap.logger.warning(
            "Gong returned no rows: either nobody was active on these dates, or the key can't see these users, or "
            "start_date, user_ids, users_created_from or users_created_to exclude everyone.",
        )
