"""A copy of the project, as somebody has it who has just cloned it, and Meltano's command in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
MELTANO = Path(sys.executable).with_name("meltano")
#: What `pip_url: -e .` installs, and the project's definition.
FILES = ["meltano.yml", "pyproject.toml", "README.md", "LICENSE"]
FOLDERS = ["schemas", "tap_gong_activity"]
PATIENCE = 120


@dataclass(frozen=True)
class MeltanoProject:
    """A Meltano project.

    Attributes:
        folder: Where it is.
        environment: Environment variables for everything that runs in it.
    """

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def clone(cls, folder: Path, environment: Mapping[str, str], more_folders: Sequence[str] = ()) -> MeltanoProject:
        """Copy what a checkout has into a folder."""
        for name in FILES:
            shutil.copy(ROOT / name, folder)
        ignored = shutil.ignore_patterns("__pycache__", ".venv", "logs", "target")
        for name in (*FOLDERS, *more_folders):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        return cls(folder, environment)

    def meltano(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Meltano's command, and give how it ended and what it said."""
        lent = ("MELTANO_", "PYTHON", "TAP_GONG_ACTIVITY_", "TARGET_", "VIRTUAL_ENV")
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith(lent)}
        own = {"MELTANO_CLI_DISABLE_VERSION_CHECK": "true", "NO_COLOR": "1", "COLUMNS": "500"}
        return subprocess.run(
            [MELTANO, *arguments],
            check=False,
            cwd=self.folder,
            env={**surroundings, **own, **self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
