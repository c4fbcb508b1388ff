"""What can be told of the Dockerfile without a container engine."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tomli
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PYPROJECT: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
#: CI takes the package itself away, to test the wheel, so its presence can't be asserted.
PACKAGE: set[str] = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
MELTANO_YML = (ROOT / "meltano.yml").read_text(encoding="utf-8")
PLUGINS: dict[str, list[dict[str, Any]]] = YAML(typ="safe").load(MELTANO_YML)["plugins"]
LOADERS = {loader["name"]: loader for loader in PLUGINS["loaders"]}


class Instruction(NamedTuple):
    """One instruction, with its continuation lines joined."""

    name: str
    value: str


def read_instructions() -> list[Instruction]:
    """Read the file's instructions in their order."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", "")
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line]


INSTRUCTIONS = read_instructions()


def values(name: str) -> list[str]:
    """Give the values of all instructions of a name."""
    return [instruction.value for instruction in INSTRUCTIONS if instruction.name == name]


def variables() -> dict[str, str]:
    """Give what the image sets in the environment."""
    return dict(word.split("=", 1) for value in values("ENV") for word in shlex.split(value))


def copied_from_checkout() -> list[str]:
    """Give the files and folders that the image takes from the checkout."""
    copies = [[word for word in value.split() if not word.startswith("--chown=")] for value in values("COPY")]
    return [source for *sources, _ in copies for source in sources if not sources[0].startswith("--from=")]


def test_base_is_a_supported_python_without_a_place() -> None:
    """Both stages start from one slim Python that the project supports, and no registry is named."""
    (base,) = (value.removeprefix("BASE=") for value in values("ARG") if value.startswith("BASE="))
    version = re.fullmatch(r"python:(3\.\d+)-slim", base)

    assert version
    assert f"Programming Language :: Python :: {version[1]}" in PROJECT["classifiers"]
    assert values("FROM") == ["${BASE} AS build", "${BASE}"]


def test_user_is_not_root() -> None:
    """What runs in the image runs as a user that is made there, known by its number, and is never root again."""
    (user,) = values("USER")
    number = user.split(":")[0]

    assert int(number) > 0
    assert f"useradd --uid {number} " in DOCKERFILE
    assert INSTRUCTIONS.index(Instruction("USER", user)) < min(
        index for index, instruction in enumerate(INSTRUCTIONS) if "meltano install" in instruction.value
    )


def test_only_what_is_copied_is_sent_to_the_build() -> None:
    """Everything that is copied exists, and the ignore file lets that through and nothing else."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert all((ROOT / source).exists() for source in {*copied_from_checkout()} - PACKAGE)
    assert [line for line in ignore if not line.startswith("#")] == [
        "*",
        *(f"!{source}" for source in sorted(set(copied_from_checkout()))),
        "**/__pycache__",
    ]


def test_what_builds_the_wheel_is_copied() -> None:
    """The files that pyproject.toml names are there when the wheel is built."""
    assert {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], *PACKAGE} <= set(copied_from_checkout())


def test_packages_are_checked_by_their_hashes() -> None:
    """Pip either checks hashes or has no index to ask, and nothing is installed by name from elsewhere."""
    commands = [command for value in values("RUN") for command in re.split(r"&&|;", value)]
    of_pip = [command for command in commands if re.search(r"\bpip\b(?!_)", command.replace("pip_url", ""))]

    assert len(of_pip) == 3
    assert all("--require-hashes" in command or "--no-index" in command for command in of_pip)
    assert not re.search(r"\b(apt-get|curl|wget)\b", DOCKERFILE)


def test_commands_exist() -> None:
    """What runs by default is a pipeline of Meltano's project, with a loader that the image brings."""
    (command,) = (json.loads(value) for value in values("CMD"))
    (installed,) = (value.removeprefix("LOADERS=").split() for value in values("ARG") if value.startswith("LOADERS="))

    assert command[:3] == ["meltano", "run", "tap-gong-activity"]
    assert command[3:] == installed
    assert set(installed) <= set(LOADERS)
    assert "tap-gong-activity" in PROJECT["scripts"]
    assert "/opt/tap/bin:$PATH" in variables()["PATH"]
    assert not values("ENTRYPOINT")


def test_tap_of_the_image_is_used() -> None:
    """The one line that would have Meltano install the tap from a checkout is what is taken out."""
    (pattern,) = re.findall(r"sed --in-place '/(.+)/d' meltano\.yml", DOCKERFILE)

    assert [line.strip() for line in MELTANO_YML.splitlines() if re.search(pattern, line)] == ["pip_url: -e ."]


@pytest.mark.parametrize("name", sorted(name for name in variables() if name.startswith("TARGET_")))
def test_loaders_write_to_the_volume(name: str) -> None:
    """Each variable for a loader is one of its settings, and points into the volume."""
    settings = {
        f"{loader['name']}_{setting['name']}".upper().replace("-", "_")
        for loader in LOADERS.values()
        for setting in loader["settings"]
    }

    assert name in settings
    assert variables()[name].startswith(f"{values('VOLUME')[0]}/")


def test_state_is_in_the_volume() -> None:
    """Meltano's database outlives the container."""
    assert variables()["MELTANO_DATABASE_URI"].startswith(f"sqlite:///{values('VOLUME')[0]}/")


def test_no_secret_is_baked_in() -> None:
    """No variable of the image or of its build is for a credential."""
    names = [*variables(), *(value.split("=")[0] for value in values("ARG"))]

    assert not [name for name in names if re.search(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", name)]
