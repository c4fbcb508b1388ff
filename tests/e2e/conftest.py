"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.tap_processes import TapForker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def forker() -> Iterator[TapForker]:
    """A process that has imported the tap and forks its runs."""
    with TapForker() as forker:
        yield forker
