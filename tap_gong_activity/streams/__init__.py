"""The streams: what is read from Gong and written as Singer messages."""

from __future__ import annotations

from tap_gong_activity.streams.grains import STREAMS

__all__ = ["STREAMS"]
