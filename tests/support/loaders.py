"""Real loaders, each in an environment of its own, as `meltano.yml` declares them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import uv
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
MELTANO_YML: dict[str, Any] = YAML(typ="safe").load(ROOT / "meltano.yml")


def definition(name: str) -> dict[str, Any]:
    """Give what `meltano.yml` says of a loader."""
    return next(loader for loader in MELTANO_YML["plugins"]["loaders"] if loader["name"] == name)


def install(name: str, folder: Path) -> Path:
    """Install a loader with its pins, and say where its command is."""
    loader = definition(name)
    subprocess.run([uv.find_uv_bin(), "venv", "--quiet", "--clear", folder], check=True)
    requirements = loader["pip_url"].split()
    subprocess.run([uv.find_uv_bin(), "pip", "install", "--quiet", "--python", folder, *requirements], check=True)
    executable: str = loader["executable"]
    return folder / "bin" / executable
