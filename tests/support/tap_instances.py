"""The whole tap in this process, with a clock that waits for nobody."""

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


class ClockedTap(TapGongActivity):
    """The tap, at noon in Los Angeles on 12 March 2025."""

    clock: Clock = FakeClock()


@contextmanager
def tap_of(
    *,
    state: dict[str, Any] | None = None,
    catalog: dict[str, Any] | None = None,
    **given: Any,  # noqa: ANN401 (settings)
) -> Iterator[TapGongActivity]:
    """A tap with these settings; the handlers of signals that it sets are taken back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    class Tap(ClockedTap):
        clock = FakeClock()

    tap = None
    try:
        tap = Tap(config={**CONFIG, **given}, state=state, catalog=catalog)
        yield tap
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if tap is not None and "client" in vars(tap):
            tap.client.close()
