"""A DAG that loads each company's Gong activity daily, with its own credentials, settings, quota and state."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml
from airflow.sdk import DAG, BaseOperator, Connection
from airflow.sdk.exceptions import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

COMPANIES: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("companies.yaml").read_text(encoding="utf-8")
)
PIPELINE = ("tap-gong-activity", "target-jsonl")

FATAL_ERROR = re.compile(r"Gong returned (401|403)\b|longer than max_retry_wait")
"""The tap's errors for a rejected key or a spent quota, which a retry can't fix."""


class MeltanoRun(BaseOperator):
    """A run of the pipeline for one company.

    Args:
        company: Name of the company, which is the suffix of its state ID and its connection ID.
        settings: Environment variables for Meltano, the tap and the loader.
        **kwargs: Arguments of the base class.
    """

    def __init__(self, *, company: str, settings: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401 - as in the base class
        """Store everything but the credentials, which are looked up when the task runs."""
        super().__init__(**kwargs)
        self.company = company
        self.settings = settings
        self.process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> None:  # noqa: ARG002 - the bookmark decides what to read
        """Run the pipeline.

        Raises:
            AirflowFailException: The run failed with an error that a retry can't fix.
            AirflowException: The run failed with any other error.
        """
        key, secret = self.credentials()
        # Airflow masks secrets in task logs, but not in their copy on its stdout.
        credentials = re.compile(f"{re.escape(secret)}|{re.escape(key)}")
        project = Path(os.environ["MELTANO_PROJECT_ROOT"])
        fatal_error = None
        with separate_system_folder(project) as system_folder:
            self.process = subprocess.Popen(  # noqa: S603 - all arguments come from this file and companies.yaml
                ["meltano", "run", f"--state-id-suffix={self.company}", *PIPELINE],  # noqa: S607 - found on the worker's PATH
                env={
                    # Airflow's variables can contain other companies' credentials.
                    **{name: value for name, value in os.environ.items() if "AIRFLOW_" not in name},
                    "MELTANO_AUTO_INSTALL": "false",
                    "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
                    "MELTANO_SYS_DIR_ROOT": system_folder,
                    "NO_COLOR": "1",
                    **{name: str(value) for name, value in self.settings.items()},
                    "TAP_GONG_ACTIVITY_ACCESS_KEY": key,
                    "TAP_GONG_ACTIVITY_ACCESS_KEY_SECRET": secret,
                },
                cwd=project,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            for raw_line in self.process.stdout:
                line = credentials.sub("***", raw_line.rstrip())
                self.log.info("%s", line)
                if FATAL_ERROR.search(line):
                    fatal_error = line
            status = self.process.wait()
        if status and fatal_error:
            raise AirflowFailException(fatal_error)
        if status:
            message = f"Meltano exited with status {status}; see the log above."
            raise AirflowException(message)

    def credentials(self) -> tuple[str, str]:
        """Return the company's access key and its secret.

        Raises:
            AirflowFailException: The connection lacks one of them.
        """
        connection = Connection.get(f"gong_{self.company}")
        if not connection.login or not connection.password:
            message = f"The connection gong_{self.company} needs an access key as login and its secret as password."
            raise AirflowFailException(message)
        return connection.login, connection.password

    def on_kill(self) -> None:
        """Terminate Meltano, the tap and the loader; the next run resumes from the last bookmark."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)


@contextmanager
def separate_system_folder(project: Path) -> Iterator[str]:
    """Yield a temporary system folder with links to the project's `.meltano`, except for `run`.

    Meltano keeps the state and the catalog of a running tap in `run`, under the same names for every company, so
    concurrent runs would overwrite each other's.
    """
    shared = project / ".meltano"
    names = {"meltano.db", *(path.name for path in shared.iterdir())} - {"run"}
    with TemporaryDirectory(prefix="meltano-") as folder:
        for name in names:
            Path(folder, name).symlink_to(shared / name)
        yield folder


with DAG(
    "gong_activity",
    description="Load each company's Gong activity",
    # At noon UTC, yesterday has ended in every time zone.
    schedule="0 12 * * *",
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(hours=1),
        "execution_timeout": timedelta(hours=6),
    },
):
    # Separate tasks, because all instances of a mapped task would share a pool.
    for name, settings in COMPANIES.items():
        MeltanoRun(task_id=name, company=name, settings=settings, pool=f"gong_{name}")
