"""The Dockerfile matches the project; `make lint` checks its syntax with hadolint."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tomli
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PYPROJECT: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: CI removes the package itself to test the wheel, so its presence can't be asserted.
PACKAGE: set[str] = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
MELTANO_YML = ROOT / "meltano.yml"


def instructions(name: str) -> list[list[str]]:
    """Return the words of each instruction of one kind."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith(f"{name} ")]


def variables(kind: str) -> dict[str, str]:
    """Return the variables of all ENV or ARG instructions."""
    return {name: value for words in instructions(kind) for name, _, value in (word.partition("=") for word in words)}


def plugins(text: str) -> dict[str, dict[str, Any]]:
    """Return the plugins of a Meltano project by name."""
    return {plugin["name"]: plugin for kind in YAML(typ="safe").load(text)["plugins"].values() for plugin in kind}


def test_build_context_is_exactly_the_copied_files() -> None:
    """.dockerignore allows exactly the files that the Dockerfile copies, and these suffice for a wheel."""
    copied = {
        source
        for words in instructions("COPY")
        if not words[0].startswith("--from=")
        for source in words[:-1]
        if not source.startswith("--")
    }
    ignored, *exceptions, cache = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    project = PYPROJECT["project"]

    assert all((ROOT / source).exists() for source in copied - PACKAGE)
    assert (ignored, cache) == ("*", "**/__pycache__")
    assert exceptions == [f"!{source}" for source in sorted(copied)]
    assert {"pyproject.toml", "README.md", *project["license-files"], *PACKAGE} <= copied


def test_image_uses_its_installed_tap(tmp_path: Path) -> None:
    """The command that edits meltano.yml removes the tap's pip_url and nothing else."""
    (edit,) = (words[: words.index("&&")] for words in instructions("RUN") if words[0] == "sed")
    text = MELTANO_YML.read_text(encoding="utf-8")
    (tmp_path / "meltano.yml").write_text(text, encoding="utf-8")
    subprocess.run(edit, check=True, cwd=tmp_path)

    expected = plugins(text)
    assert expected["tap-gong-activity"].pop("pip_url") == "-e ."
    assert plugins((tmp_path / "meltano.yml").read_text(encoding="utf-8")) == expected


def test_default_command_is_installed() -> None:
    """The default command runs Meltano with the tap and the loader of the image."""
    ((*_, loader),) = ([word.strip("[],") for word in words] for words in instructions("CMD"))

    assert instructions("CMD") == [["[meltano,", "run,", "tap-gong-activity,", f"{loader}]"]]
    assert loader == variables("ARG")["LOADERS"]
    assert loader in plugins(MELTANO_YML.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(name for name in variables("ENV") if name.startswith("TARGET_")))
def test_loaders_write_to_the_volume(name: str) -> None:
    """Each variable of a loader is one of its settings, and its value is a path in the volume."""
    settings = {
        f"{plugin['name']}_{setting['name']}".upper().replace("-", "_")
        for plugin in plugins(MELTANO_YML.read_text(encoding="utf-8")).values()
        for setting in plugin.get("settings", ())
    }

    assert name in settings
    assert variables("ENV")[name].startswith("/data/")
