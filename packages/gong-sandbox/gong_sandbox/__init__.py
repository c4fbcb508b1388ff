"""A strict stand-in for Gong's API that serves a fictional company's data, generated from a seed.

It shares no code with any client, so it can't share its bugs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gong_sandbox.activity import COUNTERS
    from gong_sandbox.clocks import Clock, HandClock
    from gong_sandbox.company import Company, Row, UserActivity
    from gong_sandbox.effects import Status
    from gong_sandbox.fault_grammar import InvalidFaultError, parse_fault
    from gong_sandbox.faults import Fault
    from gong_sandbox.page_effects import Mutation
    from gong_sandbox.profiles import Profile
    from gong_sandbox.request_log import RequestRecord
    from gong_sandbox.sandbox import Sandbox

__all__ = [
    "COUNTERS",
    "Clock",
    "Company",
    "Fault",
    "HandClock",
    "InvalidFaultError",
    "Mutation",
    "Profile",
    "RequestRecord",
    "Row",
    "Sandbox",
    "Status",
    "UserActivity",
    "parse_fault",
]

MODULES = (
    "activity",
    "clocks",
    "company",
    "effects",
    "fault_grammar",
    "faults",
    "page_effects",
    "profiles",
    "request_log",
    "sandbox",
)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    """Import a name on first use, because the command line blocks signals before it imports anything slow."""
    if name in __all__:
        for module in map(import_module, (f"{__name__}.{module}" for module in MODULES)):
            globals().update({name: value for name, value in vars(module).items() if name in __all__})
        return globals()[name]
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
