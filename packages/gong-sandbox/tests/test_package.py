"""The package as built, installed into an empty environment and used as the README shows."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import uv
from gong_sandbox.fault_grammar import EFFECTS

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text("utf-8")
LOCK = PACKAGE.parents[1] / "requirements.lock"


def run(*command: str | Path, folder: Path) -> str:
    """Run a command outside of this environment, and return its stdout."""
    done = subprocess.run(
        command, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("built")
    targets = ("--target", "wheel", "--target", "sdist")
    run(sys.executable, "-m", "hatchling", "build", *targets, "--directory", folder, folder=PACKAGE)
    return folder


def test_readme_examples_work(built: Path, tmp_path: Path) -> None:
    """The README's pytest example passes in an empty environment, and its options exist."""
    (wheel,) = built.glob("*.whl")
    run(uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, tmp_path / "venv", folder=tmp_path)
    # With the user's environment, which can configure the package index.
    subprocess.run(
        [
            *(uv.find_uv_bin(), "pip", "install", "--quiet", "--python", str(tmp_path / "venv")),
            *("--constraints", str(LOCK), str(wheel), "pytest"),
        ],
        check=True,
    )
    python = tmp_path / "venv" / "bin" / "python"
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "test_example.py").write_text(example, "utf-8")
    assert "1 passed" in run(python, "-m", "pytest", "-q", tmp_path, folder=tmp_path)
    options = run(tmp_path / "venv" / "bin" / "gong-sandbox", "--help", folder=tmp_path)
    assert set(re.findall(r"--[a-z][a-z-]+", README)) <= set(re.findall(r"--[a-z][a-z-]+", options))
    typed = "from importlib.resources import files; print((files('gong_sandbox') / 'py.typed').is_file())"
    assert run(python, "-c", typed, folder=tmp_path) == "True\n"


def test_the_readme_lists_every_effect_and_condition() -> None:
    """The README's table lists every effect and condition of the grammar."""
    table = README[README.index("| kind | effects |") :]
    assert set(EFFECTS) <= set(re.findall(r"`([a-z_]+)", table))
    assert {"on", "page", "period", "from", "at"} <= set(re.findall(r"`([a-z_]+)=", table))


def test_source_distribution(built: Path) -> None:
    """The source distribution contains the package, its license and README, and no tests."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "gong_sandbox/py.typed"} <= names
    assert not [name for name in names if "test" in name]
