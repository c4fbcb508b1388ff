"""Real loaders as `meltano.yml` declares them, each installed in its own environment."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import uv
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
MELTANO_YML: dict[str, Any] = YAML(typ="safe").load(ROOT / "meltano.yml")


def definition(name: str) -> dict[str, Any]:
    """Return the definition of a loader in `meltano.yml`."""
    return next(loader for loader in MELTANO_YML["plugins"]["loaders"] if loader["name"] == name)


def install(name: str, folder: Path) -> Path:
    """Install a loader with its pinned requirements, and return the path of its command."""
    loader = definition(name)
    subprocess.run([uv.find_uv_bin(), "venv", "--quiet", "--clear", folder], check=True)
    requirements = loader["pip_url"].split()
    subprocess.run([uv.find_uv_bin(), "pip", "install", "--quiet", "--python", folder, *requirements], check=True)
    executable: str = loader["executable"]
    return folder / "bin" / executable
