"""The README matches the code."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_gong_activity.settings import PROPERTIES
from tap_gong_activity.streams import STREAMS
from tap_gong_activity.streams.grains import GRAIN_STREAMS

if TYPE_CHECKING:
    from tap_gong_activity.streams.activity import ActivityStream

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table(*rows: tuple[str, ...]) -> str:
    """Return rows as a Markdown table; the first is its header."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, f"| {' | '.join('---' for _ in rows[0])} |", *body])


def setting_type(schema: dict[str, Any]) -> str:
    """Return a setting's type as in the README."""
    kind = next(kind for kind in schema["type"] if kind != "null")
    if kind == "array":
        return "array of strings"
    bound = f" ≥ {schema['minimum']}" if "minimum" in schema else ""
    bound = f" > {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else bound
    return f"{schema.get('format', kind)}{bound}{', secret' if schema.get('secret') else ''}"


def setting_default(name: str, schema: dict[str, Any], required: list[str]) -> str:
    """Return a setting's default as in the README."""
    if name in required:
        return "required"
    if name == "user_agent":
        return "`tap-gong-activity/VERSION`"
    return f"`{json.dumps(schema['default']).strip(chr(34))}`" if "default" in schema else ""


def test_settings_table_matches_the_schema() -> None:
    """The README lists every setting with its type, default and description."""
    schema = PROPERTIES.to_dict()
    rows = [
        (f"`{name}`", setting_type(setting), setting_default(name, setting, schema["required"]), setting["description"])
        for name, setting in schema["properties"].items()
    ]

    assert table(("setting", "type", "default", "meaning"), *rows) in README


def test_streams_table_matches_the_streams() -> None:
    """The README lists every stream, and whether it's selected by default."""
    rows = [
        (
            f"`{stream.name}`",
            (stream.__doc__ or "").strip(),
            "yes" if stream.selected_by_default else "no",
        )
        for stream in STREAMS
    ]

    assert table(("stream", "contents", "selected by default"), *rows) in README


@pytest.mark.parametrize("file", ["activity.json", "users.json"])
def test_columns_table_matches_the_schema(file: str) -> None:
    """docs/columns.md lists every column in order, with its type."""
    schema = json.loads((ROOT / "schemas" / file).read_text(encoding="utf-8"))
    rows = []
    for name, column in schema["properties"].items():
        types = column["type"] if isinstance(column["type"], list) else [column["type"]]
        kinds = [column.get("format", kind) if kind == "string" else kind for kind in reversed(types)]
        rows.append((f"`{name}`", ", ".join(kinds), column["description"]))

    assert table(("column", "type", "meaning"), *rows) in (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("stream", GRAIN_STREAMS)
def test_keys_match_the_readme(stream: type[ActivityStream]) -> None:
    """The README states the key and the replication key of every stream."""
    assert "key is `user_id`, `period_start_date`" in README
    assert "replication key is `period_end_date`" in README
    assert stream.primary_keys == ("user_id", "period_start_date")
    assert stream.replication_key == "period_end_date"


def test_commands_of_the_readme_work(tmp_path: Path) -> None:
    """The README's commands run as written: a SCHEMA and a RECORD come first, a STATE last."""
    blocks = re.findall(r"(<!-- not run[^\n]*-->\n)?```shell\n(.*?)```", README, flags=re.DOTALL)
    commands = "".join(commands for is_skipped, commands in blocks if not is_skipped)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],  # noqa: S607 - the reader's shell
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stderr
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    assert [message["type"] for message in messages] == ["SCHEMA", "RECORD", "STATE"]
    written = (tmp_path / "activity.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum('"type":"RECORD"' in line for line in written) > 1_000


def test_diagram_is_the_output_of_its_script() -> None:
    """The diagram in the documentation is the output of its script."""
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_windows.py"))["draw"]()

    assert (ROOT / "docs" / "windows.svg").read_text(encoding="utf-8") == drawn


def test_links_are_not_dead() -> None:
    """Every link in the documentation to a file or a heading has a target."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
    pages += [*ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md"), *ROOT.glob("dbt/*.md")]
    dead_links = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            linked = (page.parent / path) if path else page
            if not linked.exists():
                dead_links.append(f"{page.name}: {target}")
            elif anchor and anchor not in headings(linked.read_text(encoding="utf-8")):
                dead_links.append(f"{page.name}: {target} (no such heading)")

    assert dead_links == []


def headings(text: str) -> set[str]:
    """Return the anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
