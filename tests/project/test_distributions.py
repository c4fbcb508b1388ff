"""The distributions: their content, and installations from each of them on every supported Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import tomli
import uv
from support.child_processes import clean_environment

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION: str = PROJECT["version"]
STREAMS = {
    "activity_by_day",
    "activity_by_week",
    "activity_by_month",
    "activity_by_quarter",
    "activity_by_year",
    "users",
}
SUPPORTED_PYTHONS = [
    classifier.rpartition(" ")[2]
    for classifier in PROJECT["classifiers"]
    if classifier.startswith("Programming Language :: Python :: 3.")
]
CURRENT_PYTHON = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, built from the checkout."""
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel_from_sdist(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution alone."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return build(folder / f"tap_gong_activity-{VERSION}", "wheel", tmp_path_factory.mktemp("wheel-from-sdist"))


@pytest.fixture(
    scope="module",
    params=[*(f"wheel-{python}" for python in SUPPORTED_PYTHONS), f"sdist-{CURRENT_PYTHON}"],
)
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the package, installed from a distribution, and its dependencies only."""
    kind, _, python = request.param.partition("-")
    interpreter = find_interpreter(python)
    if interpreter is None:
        pytest.skip(f"this machine has no Python {python}")
    folder = tmp_path_factory.mktemp("environment")
    run(uv.find_uv_bin(), "venv", "--quiet", "--clear", "--python", interpreter, folder)
    lock = ROOT / "requirements.lock"
    run(
        *(uv.find_uv_bin(), "pip", "install", "--quiet", "--python", folder),
        *("--constraints", lock, "--build-constraints", lock),
        request.getfixturevalue(kind),
    )
    return folder


def build(source: Path, kind: str, target: Path) -> Path:
    """Build one distribution with the installed hatchling, and return its path."""
    run(sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target, folder=source)
    (built,) = target.iterdir()
    return built


def find_interpreter(version: str) -> str | None:
    """Find a Python that starts: pyenv's shims are on the PATH even for versions that are switched off."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(f"python{version}"), *map(str, pyenv.glob(f"versions/{version}.*/bin/python{version}"))]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "--version"], check=False, capture_output=True).returncode == 0:
            return candidate
    return None


def run(*command: str | Path, folder: Path = Path("/")) -> str:
    """Run a command in another folder, without variables that configure Python or the tap."""
    completed = subprocess.run(
        command, check=False, cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_installed_tap_discovers_its_streams(environment: Path) -> None:
    """Without settings and outside the checkout, it prints its version and a catalog with every property described."""
    command = environment / "bin" / "tap-gong-activity"
    assert VERSION in run(command, "--version")
    catalog = json.loads(run(command, "--discover"))
    properties = {stream["tap_stream_id"]: stream["schema"]["properties"] for stream in catalog["streams"]}
    assert properties.keys() == STREAMS
    described = {
        (stream, name) for stream, columns in properties.items() for name in columns if columns[name].get("description")
    }
    assert described == {(stream, name) for stream, columns in properties.items() for name in columns}
    assert len(described) == 5 * 23 + 16
    # The sandbox is a separate package.
    assert not (environment / "bin" / "gong-sandbox").exists()


def test_wheel_contains_only_the_package(wheel: Path) -> None:
    """The wheel contains the package, marked as typed, and its metadata: no tests, no other package."""
    names = contents(wheel).keys()
    metadata = f"tap_gong_activity-{VERSION}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"tap_gong_activity", metadata}
    assert not [name for name in names if "test" in name or "__pycache__" in name]
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tap_gong_activity").rglob("*.py")}
    assert modules | {"tap_gong_activity/py.typed"} <= names


def test_wheel_contains_the_schemas(wheel: Path) -> None:
    """The wheel's schemas are the checkout's, byte for byte."""
    folder = "tap_gong_activity/schemas/"
    shipped = {name.removeprefix(folder): text for name, text in contents(wheel).items() if name.startswith(folder)}
    assert shipped == {path.name: path.read_bytes() for path in (ROOT / "schemas").iterdir()}


def test_metadata_has_no_relative_links(wheel: Path) -> None:
    """Links to files of the repository are absolute in the README of the wheel's metadata."""
    metadata = contents(wheel)[f"tap_gong_activity-{VERSION}.dist-info/METADATA"].decode()
    links = re.findall(r"\]\(([^)]+)\)", metadata)
    assert any("/blob/main/docs/" in link for link in links)
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_wheel_contains_the_license(wheel: Path) -> None:
    """The wheel contains the license that its metadata names."""
    shipped = contents(wheel)[f"tap_gong_activity-{VERSION}.dist-info/licenses/LICENSE"]
    assert shipped == (ROOT / "LICENSE").read_bytes()


def test_sdist_contains_everything_to_build(sdist: Path) -> None:
    """The source distribution contains the package, its schemas and every file that pyproject.toml refers to."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "tap_gong_activity/py.typed"} <= names
    assert {name for name in names if name.startswith("schemas/")} == {"schemas/activity.json", "schemas/users.json"}


def test_sdist_builds_the_same_wheel(wheel: Path, wheel_from_sdist: Path) -> None:
    """The wheel is the same, whether it's built from the checkout or from the source distribution."""
    assert wheel_from_sdist.name == wheel.name
    assert contents(wheel_from_sdist) == contents(wheel)


def contents(wheel: Path) -> dict[str, bytes]:
    """Read every file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
