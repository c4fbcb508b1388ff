"""A strict stand-in for Gong's endpoint, with a company that is invented from a seed.

It shares nothing with the tap, so that it cannot share its mistakes.
"""

from __future__ import annotations

from tap_gong_activity.sandbox.activity import COUNTERS
from tap_gong_activity.sandbox.clocks import Clock, HandClock
from tap_gong_activity.sandbox.company import Company, Row, UserActivity
from tap_gong_activity.sandbox.effects import Mutation, Status
from tap_gong_activity.sandbox.faults import Fault, FaultNotUnderstoodError, parse_fault
from tap_gong_activity.sandbox.request_log import RequestRecord
from tap_gong_activity.sandbox.sandbox import Sandbox

__all__ = [
    "COUNTERS",
    "Clock",
    "Company",
    "Fault",
    "FaultNotUnderstoodError",
    "HandClock",
    "Mutation",
    "RequestRecord",
    "Row",
    "Sandbox",
    "Status",
    "UserActivity",
    "parse_fault",
]
