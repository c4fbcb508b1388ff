"""A strict stand-in for Gong's endpoint, with a company that is invented from a seed.

It shares nothing with the tap, so that it cannot share its mistakes.
"""

from __future__ import annotations

from gong_sandbox.activity import COUNTERS
from gong_sandbox.clocks import Clock, HandClock
from gong_sandbox.company import Company, Row, UserActivity
from gong_sandbox.effects import Mutation, Status
from gong_sandbox.faults import Fault, FaultNotUnderstoodError, parse_fault
from gong_sandbox.profiles import Profile
from gong_sandbox.request_log import RequestRecord
from gong_sandbox.sandbox import Sandbox

__all__ = [
    "COUNTERS",
    "Clock",
    "Company",
    "Fault",
    "FaultNotUnderstoodError",
    "HandClock",
    "Mutation",
    "Profile",
    "RequestRecord",
    "Row",
    "Sandbox",
    "Status",
    "UserActivity",
    "parse_fault",
]
