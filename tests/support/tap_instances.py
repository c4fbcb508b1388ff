"""Instances of the tap in this process, on a fake clock."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.default_config import CONFIG
from support.fake_clock import FakeClock
from tap_gong_activity.tap import TapGongActivity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_gong_activity.base.clock import Clock


@contextmanager
def open_tap(
    *,
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
    **settings: Any,  # noqa: ANN401 - those of the tap
) -> Iterator[TapGongActivity]:
    """Yield a tap with these settings, and restore the signal handlers afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    class Tap(TapGongActivity):
        clock: Clock = FakeClock()

    tap = None
    try:
        tap = Tap(config={**CONFIG, **settings}, state=state, catalog=catalog)
        yield tap
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if tap is not None and "client" in vars(tap):
            tap.client.close()
