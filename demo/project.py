"""The demo's own Meltano project, in a folder of its own beside the user's."""

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
INHERITED = ("MELTANO_", "PYTHON", "TAP_GONG_ACTIVITY_", "TARGET_")
SHOWN_ON_FAILURE = 40


class RunFailedError(Exception):
    """Meltano ended with another status than 0; the message holds the end of its log."""


@dataclass(frozen=True)
class Project:
    """A copy of the checkout's `meltano.yml`, so that neither the user's state nor their `.env` takes part.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @property
    def csv_folder(self) -> Path:
        """Where the loaded files are."""
        return self.folder / "output" / "csv"

    @property
    def log(self) -> Path:
        """What Meltano, the tap and the loader have said."""
        return self.folder / "meltano.log"

    def csv_files(self) -> set[Path]:
        """Find the loaded files."""
        return set(self.csv_folder.glob("*.csv"))

    def create(self) -> None:
        """Begin from nothing, with the checkout itself as the tap."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        definition = (CHECKOUT / "meltano.yml").read_text(encoding="utf-8")
        way_back = os.path.relpath(CHECKOUT, self.folder)
        (self.folder / "meltano.yml").write_text(
            definition.replace("pip_url: -e .\n", f"pip_url: -e {way_back}\n"), encoding="utf-8"
        )

    def run(self, job: str, settings: Mapping[str, str]) -> None:
        """Run a job of the project.

        Args:
            job: Its name.
            settings: Environment variables for Meltano and its plugins, in place of any that are set already.

        Raises:
            RunFailedError: If it failed.
        """
        own = {name: value for name, value in os.environ.items() if not name.startswith(INHERITED)}
        environment = {**own, "MELTANO_CLI_DISABLE_VERSION_CHECK": "true", "NO_COLOR": "1", **settings}
        with self.log.open("a", encoding="utf-8") as log:
            ended = subprocess.run(
                [str(MELTANO), "run", job],
                check=False,
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if ended.returncode:
            said = self.log.read_text(encoding="utf-8").splitlines()[-SHOWN_ON_FAILURE:]
            raise RunFailedError("\n".join(said))
