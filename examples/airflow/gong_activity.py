"""Load each company's Gong activity once a day, with its own key, settings, quota and state."""

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

#: The tap's errors for a spent quota or a rejected key, which a retry would only get again.
REFUSAL = re.compile(r"Gong returned (401|403)\b|longer than max_retry_wait")


class MeltanoRun(BaseOperator):
    """Runs the pipeline for one company.

    Args:
        company: Its name, which ends the state's id and the connection's.
        settings: Environment variables for Meltano, the tap and the loader.
        **kwargs: What any operator takes.
    """

    def __init__(self, *, company: str, settings: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's
        """Keep what is no secret; the credentials are looked up where and when the task runs."""
        super().__init__(**kwargs)
        self.company = company
        self.settings = settings
        self.process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> None:  # noqa: ARG002 - the bookmark says what to read, not the DAG's run
        """Run the pipeline.

        Raises:
            AirflowFailException: If another try would be refused as well.
            AirflowException: If the run failed in another way.
        """
        key, secret = self.credentials()
        # Airflow masks its task logs, but not the copies on its own stdout.
        credentials = re.compile(f"{re.escape(secret)}|{re.escape(key)}")
        project = Path(os.environ["MELTANO_PROJECT_ROOT"])
        refusal = None
        with own_system_folder(project) as system_folder:
            self.process = subprocess.Popen(  # noqa: S603 - each part is this file's or the companies file's
                ["meltano", "run", f"--state-id-suffix={self.company}", *PIPELINE],  # noqa: S607 - on the worker's PATH
                env={
                    # Airflow's own variables may hold other companies' keys.
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
                if REFUSAL.search(line):
                    refusal = line
            status = self.process.wait()
        if status and refusal:
            raise AirflowFailException(refusal)
        if status:
            message = f"Meltano ended with status {status}; the log above says why."
            raise AirflowException(message)

    def credentials(self) -> tuple[str, str]:
        """Look up the company's access key and its secret.

        Raises:
            AirflowFailException: If the connection lacks either.
        """
        connection = Connection.get(f"gong_{self.company}")
        if not connection.login or not connection.password:
            message = f"The connection gong_{self.company} needs the access key as login and its secret as password."
            raise AirflowFailException(message)
        return connection.login, connection.password

    def on_kill(self) -> None:
        """End Meltano, the tap and the loader; the last bookmark stands."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)


@contextmanager
def own_system_folder(project: Path) -> Iterator[str]:
    """Give a folder that stands for the project's `.meltano`, with a `run` of its own.

    Meltano keeps the bookmark and the catalog of a running tap in `run`, under the same names for every company, so
    that two of them at once would get each other's.
    """
    shared = project / ".meltano"
    names = {"meltano.db", *(path.name for path in shared.iterdir())} - {"run"}
    with TemporaryDirectory(prefix="meltano-") as folder:
        for name in names:
            Path(folder, name).symlink_to(shared / name)
        yield folder


with DAG(
    "gong_activity",
    description="Gong's user activity of every company",
    # By noon UTC yesterday has ended in every time zone, and so in each company's.
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
    # Tasks of their own rather than one that is expanded, whose copies would all be in the same pool.
    for name, settings in COMPANIES.items():
        MeltanoRun(task_id=name, company=name, settings=settings, pool=f"gong_{name}")
