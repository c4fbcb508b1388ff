"""A copy of the project, like a fresh clone, with Meltano's command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.child_processes import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
MELTANO = Path(sys.executable).with_name("meltano")
#: The files that `pip_url: -e .` installs, and the project's definition.
FILES = ["meltano.yml", "pyproject.toml", "README.md", "LICENSE"]
FOLDERS = ["schemas", "tap_gong_activity"]
TIMEOUT = 120


@dataclass(frozen=True)
class MeltanoProject:
    """A Meltano project.

    Attributes:
        folder: The project's folder.
        environment: Environment variables of every command.
    """

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def clone(cls, folder: Path, environment: Mapping[str, str], more_folders: Sequence[str] = ()) -> MeltanoProject:
        """Copy the files of a checkout into a folder."""
        for name in FILES:
            shutil.copy(ROOT / name, folder)
        ignored = shutil.ignore_patterns("__pycache__", ".venv", "logs", "target")
        for name in (*FOLDERS, *more_folders):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        return cls(folder, environment)

    def meltano(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Meltano's command, and return its exit status and output."""
        options = {"MELTANO_CLI_DISABLE_VERSION_CHECK": "true", "NO_COLOR": "1", "COLUMNS": "500"}
        return subprocess.run(
            [MELTANO, *arguments],
            check=False,
            cwd=self.folder,
            env={**clean_environment(), **options, **self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
        )
