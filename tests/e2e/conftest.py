"""What the end-to-end tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.tap_processes import TapForker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def forker() -> Iterator[TapForker]:
    """A process that has imported the tap, and forks one run after another."""
    with TapForker() as started:
        yield started
