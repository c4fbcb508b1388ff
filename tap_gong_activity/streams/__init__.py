"""The streams: read from Gong, written as Singer messages."""

from __future__ import annotations

from tap_gong_activity.streams.grains import GRAIN_STREAMS
from tap_gong_activity.streams.users import UsersStream

STREAMS = (*GRAIN_STREAMS, UsersStream)
"""All streams, in the order in which they're synced: users last, so that its missing scope affects no other stream."""
