"""The demo's Meltano project, separate from the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = Path(__file__).parents[1]
MELTANO = Path(sys.executable).with_name("meltano")
REMOVED_PREFIXES = ("MELTANO_", "PYTHON", "TAP_GONG_ACTIVITY_", "TARGET_")
MAX_ERROR_LINES = 40


class RunFailedError(Exception):
    """A failed run of Meltano; the message is the end of its log."""


@dataclass(frozen=True)
class Project:
    """A project with a copy of the checkout's `meltano.yml`, without the user's state and `.env`.

    Attributes:
        folder: Folder of the project.
    """

    folder: Path

    @property
    def csv_folder(self) -> Path:
        """Folder of the loaded files."""
        return self.folder / "output" / "csv"

    @property
    def log(self) -> Path:
        """Log of Meltano, the tap and the loader."""
        return self.folder / "meltano.log"

    def csv_files(self) -> set[Path]:
        """Return the loaded files."""
        return set(self.csv_folder.glob("*.csv"))

    def create(self) -> None:
        """Create the project anew, with the tap from the checkout."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        definition = (CHECKOUT / "meltano.yml").read_text(encoding="utf-8")
        checkout = os.path.relpath(CHECKOUT, self.folder)
        (self.folder / "meltano.yml").write_text(
            definition.replace("pip_url: -e .\n", f"pip_url: -e {checkout}\n"), encoding="utf-8"
        )

    def run(self, job: str, settings: Mapping[str, str]) -> None:
        """Run a job of the project.

        Args:
            job: Name of the job.
            settings: Environment variables for Meltano and its plugins, which replace existing ones.

        Raises:
            RunFailedError: Meltano exited with another status than 0.
        """
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_PREFIXES)}
        environment = {**inherited, "MELTANO_CLI_DISABLE_VERSION_CHECK": "true", "NO_COLOR": "1", **settings}
        with self.log.open("a", encoding="utf-8") as log:
            completed = subprocess.run(
                [str(MELTANO), "run", job],
                check=False,
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if completed.returncode:
            log_lines = self.log.read_text(encoding="utf-8").splitlines()[-MAX_ERROR_LINES:]
            raise RunFailedError("\n".join(log_lines))
