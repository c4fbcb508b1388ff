"""Project files are consistent with the code and with each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from singer_sdk import Tap

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SUPPORTED_PYTHONS = [
    classifier.rpartition(" ")[2]
    for classifier in PYPROJECT["project"]["classifiers"]
    if classifier.startswith("Programming Language :: Python :: 3.")
]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_python_versions_are_consistent() -> None:
    """The classifiers, requires-python and the workflow's matrices list the same Pythons."""
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    matrices = [json.loads(versions) for versions in re.findall(r"^ +python: (\[.*\])$", workflow, re.MULTILINE)]
    assert matrices == [SUPPORTED_PYTHONS] * 2
    supported = SpecifierSet(PYPROJECT["project"]["requires-python"])
    minors = [int(python.removeprefix("3.")) for python in SUPPORTED_PYTHONS]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert [minor for minor in range(minors[-1] + 1) if f"3.{minor}" in supported] == minors


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("python", SUPPORTED_PYTHONS)
def test_lock_is_current(python: str, platform: str) -> None:
    """Every requirement is locked once, to a version that it allows."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": platform}
    pins = [
        pin
        for pin in map(Requirement, re.findall(r"^([a-z].*?) \\$", LOCK, re.MULTILINE))
        if pin.marker is None or pin.marker.evaluate(environment)
    ]
    requirements = map(Requirement, [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]])
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            versions = [str(pin.specifier).removeprefix("==") for pin in pins if pin.name == requirement.name]
            assert len(versions) == 1, requirement.name
            assert versions[0] in requirement.specifier, requirement


def test_lock_contains_no_url() -> None:
    """The lock consists of comments, pins and hashes, and contains no URL of an index."""
    pin = r"[a-z0-9.-]+==[0-9a-z.]+( ; [^/:@]+)? \\"
    digest = r"    --hash=sha256:[0-9a-f]{64}( \\)?"
    assert not [line for line in LOCK.splitlines() if not re.fullmatch(rf"#.*|{pin}|{digest}", line)]
    assert "://" not in LOCK


def test_make_lists_every_target() -> None:
    """`make` without arguments lists every target with a description."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split()
    listed = dict(line.split(maxsplit=1) for line in run("make", "--no-print-directory").splitlines())
    assert list(listed) == targets
    assert set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) == set(targets)


def test_ci_runs_make_test(tmp_path: Path) -> None:
    """The script that CI calls runs `make test` in the checkout from any folder, and returns its exit status."""
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$PWD: make $*"\nexit 3\n')
    make.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    completed = subprocess.run(
        [ROOT / ".ci" / "run"], check=False, cwd="/", env=environment, capture_output=True, text=True
    )
    assert (completed.stdout, completed.returncode) == (f"{ROOT}: make test\n", 3)


def test_env_example_lists_every_setting() -> None:
    """.env.example lists exactly the tap's own settings, with their defaults."""
    about = json.loads(run(Path(sys.executable).with_name("tap-gong-activity"), "--about", "--format=json"))
    builtin: dict[str, Any] = {"properties": {}}
    Tap.append_builtin_config(builtin)
    own = {
        name: schema for name, schema in about["settings"]["properties"].items() if name not in builtin["properties"]
    }
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = {
        name.lower(): value
        for name, value in re.findall(r"^(?:# )?TAP_GONG_ACTIVITY_([A-Z_]+)=(.+)$", example, re.MULTILINE)
    }
    assert shown.keys() == own.keys()
    defaults = {name: schema["default"] for name, schema in own.items() if "default" in schema}
    # The default also contains the version.
    assert defaults.pop("user_agent").startswith(f"{shown['user_agent']}/")
    assert {name: shown[name] for name in defaults} == {
        name: default if isinstance(default, str) else json.dumps(default) for name, default in defaults.items()
    }


def run(*command: str | Path) -> str:
    """Run a command in the checkout."""
    completed = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout
