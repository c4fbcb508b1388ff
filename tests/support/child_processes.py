"""Child processes: the tap's command, and an environment that doesn't configure it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

TAP = Path(sys.executable).with_name("tap-gong-activity")
PREFIXES = ("MELTANO_", "PYTHON", "TAP_GONG_ACTIVITY_", "TARGET_", "VIRTUAL_ENV")
"""Variables that configure Python, Meltano, the tap or a loader."""


def clean_environment() -> dict[str, str]:
    """Return the environment variables of this process except those in `PREFIXES`."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
