"""The DAG, run by Airflow with Meltano for four companies, two of which fail."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gong_sandbox import Company, Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = Path(__file__).parents[1]
CHECKOUT = EXAMPLE.parents[1]
AIRFLOW = EXAMPLE / ".venv" / "bin" / "airflow"
MELTANO = Path(sys.executable).with_name("meltano")
REMOVED_PREFIXES = ("AIRFLOW", "MELTANO_", "TAP_GONG_ACTIVITY_", "TARGET_")

CLUSTER_POLICY = """
from datetime import timedelta


def task_policy(task):
    task.retry_delay = timedelta(seconds=1)
"""
"""Airflow's hook to change a DAG's tasks, to shorten the delay before a retry."""

LEAKY_MELTANO = """#!/bin/sh
env > "$(mktemp "$MELTANO_PROJECT_ROOT/environment-XXXXXX")"
echo "Signing in as $TAP_GONG_ACTIVITY_ACCESS_KEY with $TAP_GONG_ACTIVITY_ACCESS_KEY_SECRET"
exec {meltano} "$@"
"""
"""A wrapper that saves Meltano's environment and prints its credentials."""


@dataclass(frozen=True)
class Case:
    """One company.

    Attributes:
        name: Name of the company.
        zone: Time zone of the company.
        end_date: End of the range, which becomes the bookmark.
        faults: Faults of the company's sandbox.
        is_key_valid: Whether the sandbox accepts the key in Airflow's connection.
    """

    name: str
    zone: str
    end_date: str
    faults: tuple[str, ...] = ()
    is_key_valid: bool = True

    @property
    def secrets(self) -> tuple[str, str]:
        """The access key and its secret in Airflow's connection."""
        return f"access-key-of-{self.name}", f"access-key-secret-of-{self.name}"

    def sandbox(self) -> Sandbox:
        """Return the company's sandbox."""
        key, secret = self.secrets if self.is_key_valid else ("another-key", "another-secret")
        company = Company(4, self.zone, seed=self.name)
        return Sandbox(company=company, access_key=key, access_key_secret=secret, faults=self.faults)

    def settings(self, api_url: str) -> dict[str, str]:
        """Return the company's entry in companies.yaml."""
        return {
            "TAP_GONG_ACTIVITY_API_URL": api_url,
            "TAP_GONG_ACTIVITY_COMPANY_TIMEZONE": self.zone,
            "TAP_GONG_ACTIVITY_START_DATE": "2025-03-03",
            "TAP_GONG_ACTIVITY_END_DATE": self.end_date,
            "TAP_GONG_ACTIVITY_MAX_RETRIES": "0",
            "TARGET_JSONL_DESTINATION_PATH": f"output/jsonl/{self.name}",
        }


QUOTA_SPENT = Case("initech", "Asia/Kolkata", "2025-03-10", ("status=429,retry_after=7200",))
KEY_REJECTED = Case("hooli", "UTC", "2025-03-10", is_key_valid=False)
# First in the file, so that in a sequential run, they'd keep the others from loading.
FAILED = (QUOTA_SPENT, KEY_REJECTED)
SUCCEEDS = Case("acme", "America/New_York", "2025-03-08")
FAILS_ONCE = Case("globex", "Europe/Berlin", "2025-03-15", ("status=503,at=1",))
LOADED = (SUCCEEDS, FAILS_ONCE)
COMPANIES = (*FAILED, *LOADED)


@dataclass(frozen=True)
class Task:
    """A task in Airflow's database after the run."""

    state: str
    tries: int
    pool: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run of the DAG.

    Attributes:
        project: Folder of the Meltano project.
        home: Airflow's home folder.
        environment: Airflow's environment variables.
        output: Airflow's output.
        sandboxes: Each company's sandbox.
    """

    project: Path
    home: Path
    environment: Mapping[str, str]
    output: str
    sandboxes: Mapping[str, Sandbox]

    def tasks(self) -> dict[str, Task]:
        """Return the tasks in Airflow's database."""
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            rows = database.execute("SELECT task_id, state, try_number, pool FROM task_instance").fetchall()
        return {name: Task(*rest) for name, *rest in rows}

    def environments(self) -> dict[str, str]:
        """Return Meltano's environment for each company."""
        texts = [path.read_text(encoding="utf-8") for path in self.project.glob("environment-*")]
        return {case.name: text for case in COMPANIES for text in texts if case.zone in text}


def run(*command: str | Path, environment: Mapping[str, str]) -> str:
    """Run a command that must succeed, and return its output."""
    completed = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def create_project(folder: Path, environment: Mapping[str, str]) -> None:
    """Create a Meltano project with its plugins installed."""
    folder.mkdir()
    definition = (CHECKOUT / "meltano.yml").read_text(encoding="utf-8")
    (folder / "meltano.yml").write_text(
        definition.replace("pip_url: -e .\n", f"pip_url: -e {CHECKOUT}\n"), encoding="utf-8"
    )
    for kind, name in (("extractor", "tap-gong-activity"), ("loader", "target-jsonl")):
        run(MELTANO, "install", kind, name, environment=environment)


def create_home(folder: Path, companies: Mapping[str, Mapping[str, str]]) -> None:
    """Create Airflow's home folder, with the DAG and these companies."""
    (folder / "dags").mkdir(parents=True)
    (folder / "config").mkdir()
    shutil.copy(EXAMPLE / "gong_activity.py", folder / "dags")
    # JSON is valid YAML.
    (folder / "dags" / "companies.yaml").write_text(json.dumps(companies), encoding="utf-8")
    (folder / "config" / "airflow_local_settings.py").write_text(CLUSTER_POLICY, encoding="utf-8")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run the DAG once for all companies."""
    folder = tmp_path_factory.mktemp("airflow")
    project, home, commands = folder / "project", folder / "home", folder / "bin"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(REMOVED_PREFIXES)},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "MELTANO_PROJECT_ROOT": str(project),
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
    }
    for case in COMPANIES:
        key, secret = case.secrets
        environment[f"AIRFLOW_CONN_GONG_{case.name.upper()}"] = json.dumps(
            {"conn_type": "generic", "login": key, "password": secret}
        )
    create_project(project, environment)
    commands.mkdir()
    (commands / "meltano").write_text(LEAKY_MELTANO.format(meltano=MELTANO), encoding="utf-8")
    (commands / "meltano").chmod(0o755)
    with ExitStack() as running:
        sandboxes = {case.name: running.enter_context(case.sandbox()) for case in COMPANIES}
        create_home(home, {case.name: case.settings(sandboxes[case.name].url) for case in COMPANIES})
        run(AIRFLOW, "db", "migrate", environment=environment)
        command: list[str | Path] = [AIRFLOW, "dags", "test", "gong_activity"]
        completed = subprocess.run(
            command, check=False, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    print(completed.stdout)  # noqa: T201 - pytest shows it if a test fails
    return Outcome(project, home, environment, completed.stdout, sandboxes)


def test_failing_companies_dont_affect_others(outcome: Outcome) -> None:
    """Two companies fail and two load, each in its own pool."""
    tasks = outcome.tasks()

    assert {name: task.state for name, task in tasks.items()} == {
        **{case.name: "failed" for case in FAILED},
        **{case.name: "success" for case in LOADED},
    }
    assert {name: task.pool for name, task in tasks.items()} == {case.name: f"gong_{case.name}" for case in COMPANIES}


def test_fatal_errors_arent_retried(outcome: Outcome) -> None:
    """A company whose quota is spent or whose key is rejected makes one request, although retries are left."""
    for case in FAILED:
        assert outcome.tasks()[case.name].tries == 1
        assert len(outcome.sandboxes[case.name].requests) == 1
    assert "AirflowFailException" in outcome.output
    assert "longer than max_retry_wait" in outcome.output
    assert "check the access key" in outcome.output


def test_other_failures_are_retried(outcome: Outcome) -> None:
    """A company whose first run fails is loaded by the second."""
    assert outcome.tasks()[FAILS_ONCE.name].tries == 2
    assert [request.status for request in outcome.sandboxes[FAILS_ONCE.name].requests] == [503, 200]


@pytest.mark.parametrize("case", LOADED, ids=lambda case: case.name)
def test_rows_are_the_companys(outcome: Outcome, case: Case) -> None:
    """Each company's folder contains every row of its own sandbox once."""
    path = outcome.project / "output" / "jsonl" / case.name / "activity_by_day.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    assert len(rows) == sum(request.items for request in outcome.sandboxes[case.name].requests) > 0
    assert max(row["period_end_date"] for row in rows) == case.end_date
    assert len({(row["user_id"], row["period_start_date"]) for row in rows}) == len(rows)


def test_states_are_separate(outcome: Outcome) -> None:
    """Each loaded company has its own bookmark in the project's database, and a failed one has none."""
    bookmarks = {}
    for case in COMPANIES:
        state_id = f"prod:tap-gong-activity-to-target-jsonl:{case.name}"
        state = json.loads(run(MELTANO, "state", "get", state_id, environment=outcome.environment))
        streams = state.get("singer_state", {}).get("bookmarks", {})
        bookmarks[case.name] = streams.get("activity_by_day", {}).get("replication_key_value")

    assert bookmarks == {
        **{case.name: None for case in FAILED},
        **{case.name: case.end_date for case in LOADED},
    }


def test_system_folders_are_separate(outcome: Outcome) -> None:
    """Each run of Meltano has its own system folder, which is removed afterwards."""
    folders = {
        line.partition("=")[2]
        for text in outcome.environments().values()
        for line in text.splitlines()
        if line.startswith("MELTANO_SYS_DIR_ROOT=")
    }

    assert len(folders) == len(COMPANIES)
    assert not any(Path(folder).exists() for folder in folders)


def test_credentials_are_separate(outcome: Outcome) -> None:
    """Meltano gets the company's own credentials only, and none of Airflow's variables."""
    environments = outcome.environments()

    for case in COMPANIES:
        for other in COMPANIES:
            for secret in other.secrets:
                assert (f"={secret}\n" in environments[case.name]) == (other is case)
        assert "AIRFLOW_" not in environments[case.name]


def test_credentials_arent_stored(outcome: Outcome) -> None:
    """No log, rendered field or database contains a credential, even if a command prints it."""
    files = [
        path
        for folder in (outcome.home, outcome.project)
        for path in folder.rglob("*")
        if path.is_file() and "venv" not in path.parts and not path.name.startswith("environment-")
    ]

    assert "Signing in as *** with ***" in outcome.output
    for secret in (secret for case in COMPANIES for secret in case.secrets):
        assert secret not in outcome.output
        assert not [path for path in files if secret.encode() in path.read_bytes()]
