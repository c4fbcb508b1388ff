"""`meltano.yml` and the definition for Meltano Hub match the tap's --about."""

from __future__ import annotations

import difflib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # its stubs are a package of their own
import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML
from support.meltano_project import MeltanoProject
from support.meltano_settings import ABOUT, CREDENTIALS, nested, setting

from tap_gong_activity.streams import STREAMS

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = YAML(typ="safe").load(ROOT / "meltano.yml")
TAP, TAP_FOR_MARTS = PROJECT["plugins"]["extractors"]
LOADERS: list[dict[str, Any]] = PROJECT["plugins"]["loaders"]
HUB: dict[str, Any] = YAML(typ="safe").load(ROOT / "meltano-hub.yml")
SETTINGS: dict[str, Any] = ABOUT["settings"]["properties"]


def test_project_matches_meltanos_schema() -> None:
    """The project file is valid according to Meltano's schema."""
    schema = json.loads((files("meltano.schemas") / "meltano.schema.json").read_text(encoding="utf-8"))

    jsonschema.validate(PROJECT, schema)


def test_project_has_the_taps_settings() -> None:
    """The project lists every setting in the tap's order, with the tap's descriptions, and marks secrets."""
    assert TAP["settings"] == [setting(name, schema) for name, schema in SETTINGS.items()]
    assert {entry["name"] for entry in TAP["settings"] if entry.get("sensitive")} == {
        "access_key",
        "access_key_secret",
        "access_token",
    }


@pytest.mark.parametrize("definition", [TAP, HUB], ids=["project", "hub"])
def test_definition_has_the_taps_capabilities(definition: dict[str, Any]) -> None:
    """The capabilities are the tap's, as are its name and its command."""
    assert definition["capabilities"] == sorted(ABOUT["capabilities"])
    assert (definition["name"], definition["executable"]) == (ABOUT["name"], ABOUT["name"])
    assert definition["namespace"] == ABOUT["name"].replace("-", "_")


@pytest.mark.parametrize("definition", [TAP, HUB], ids=["project", "hub"])
def test_definition_requires_one_credential(definition: dict[str, Any]) -> None:
    """A complete configuration has the required settings and one of the three kinds of credentials."""
    assert definition["settings_group_validation"] == [
        sorted([*credential, *ABOUT["settings"]["required"]]) for credential in CREDENTIALS
    ]


def test_project_leaves_the_defaults_to_the_tap() -> None:
    """The project sets no defaults, so the tap gets only settings that the user has set."""
    assert "config" not in TAP
    assert not [entry for entry in TAP["settings"] if "value" in entry]


@pytest.mark.parametrize("definition", [TAP, HUB], ids=["project", "hub"])
def test_definition_selects_what_the_tap_selects(definition: dict[str, Any]) -> None:
    """Meltano selects the streams that the tap selects by default."""
    assert definition["select"] == [f"{stream.name}.*" for stream in STREAMS if stream.selected_by_default]


@pytest.mark.parametrize("plugin", [TAP, *LOADERS], ids=lambda plugin: plugin["name"])
def test_plugin_needs_no_hub(plugin: dict[str, Any]) -> None:
    """The project defines what Meltano would otherwise request from the Hub."""
    assert {"namespace", "pip_url", "executable", "settings"} <= plugin.keys()


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader["name"])
def test_loader_declaration_is_complete(loader: dict[str, Any]) -> None:
    """Each loader is pinned, and each of its settings in use is described."""
    names = {entry["name"] for entry in loader["settings"]}

    assert loader["config"].keys() <= names
    assert {name for entry in loader["settings"] for name in entry} <= {
        "name",
        "label",
        "kind",
        "description",
        "sensitive",
    }
    assert all(entry["description"].endswith(".") for entry in loader["settings"])
    for requirement in map(Requirement, loader["pip_url"].split()):
        assert {specifier.operator for specifier in requirement.specifier} <= {"==", "~="}
        assert requirement.specifier


def test_schedule_runs_the_job() -> None:
    """The daily schedule runs the first job, which runs the tap into a loader."""
    (schedule,), (job, _) = PROJECT["schedules"], PROJECT["jobs"]

    assert schedule["job"] == job["name"]
    assert job["tasks"] == ["tap-gong-activity target-csv"]
    assert {name for name in schedule["env"] if name.startswith("TAP_GONG_ACTIVITY_")} <= {
        f"TAP_GONG_ACTIVITY_{name.upper()}" for name in SETTINGS
    }


def test_job_for_marts_loads_the_sources_of_the_dbt_package() -> None:
    """The second job loads the streams that the dbt package reads by default, and builds its models."""
    job = PROJECT["jobs"][1]
    package = YAML(typ="safe").load(ROOT / "dbt" / "dbt_project.yml")

    assert job["tasks"] == ["tap-gong-activity-for-marts target-duckdb dbt-duckdb:build"]
    assert TAP_FOR_MARTS["inherit_from"] == TAP["name"]
    assert TAP_FOR_MARTS["select"] == [
        *(f"activity_by_{grain}.*" for grain in package["vars"]["gong_activity_grains"]),
        "users.*",
    ]


def test_project_needs_no_account() -> None:
    """The project sends no usage statistics, and requires a tested version of Meltano."""
    assert PROJECT["send_anonymous_usage_stats"] is False
    assert PROJECT["requires_meltano"] == ">=4.4,<5"


def test_hub_has_the_taps_settings() -> None:
    """The Hub's definition has the tap's settings by name; those within others have dotted names."""
    described = [
        {name: value for name, value in entry.items() if name not in {"options", "value"}} for entry in HUB["settings"]
    ]
    # The SDK accepts several types; the Hub shows the most general.
    kinds = {"faker_config.locale": "array", "faker_config.seed": "string"}
    expected = [
        {
            **setting(name, schema),
            **({"kind": "options"} if "enum" in schema else {}),
            **({"kind": kinds[name]} if name in kinds else {}),
        }
        for name, schema in sorted(nested(SETTINGS))
    ]

    assert described == expected


def test_hub_has_the_taps_choices() -> None:
    """Where a setting is one of several values, the Hub's definition lists them."""
    offered = {
        entry["name"]: [option["value"] for option in entry["options"]]
        for entry in HUB["settings"]
        if "options" in entry
    }

    assert offered == {name: schema["enum"] for name, schema in nested(SETTINGS) if "enum" in schema}


def test_hub_has_the_taps_defaults() -> None:
    """The Hub's definition has each default, except for two that depend on the run."""
    shown = {entry["name"]: entry["value"] for entry in HUB["settings"] if "value" in entry}
    # The host comes with OAuth tokens, and the default user agent contains the version.
    defaults = {
        name: schema["default"]
        for name, schema in nested(SETTINGS)
        if "default" in schema and name not in {"api_url", "user_agent"}
    }

    assert shown == defaults


def test_hub_definition_has_the_hubs_keys() -> None:
    """The Hub's definition has the keys of other definitions, in their order."""
    keys = [
        *("capabilities", "description", "domain_url", "executable", "keywords", "label", "logo_url"),
        *("maintenance_status", "name", "namespace", "next_steps", "pip_url", "quality", "repo", "select"),
        *(
            "settings",
            "settings_group_validation",
            "settings_preamble",
            "supported_python_versions",
            "usage",
            "variant",
        ),
    ]

    assert list(HUB) == keys
    assert HUB["pip_url"] == f"git+{HUB['repo']}"
    assert HUB["label"] == TAP["label"]
    assert HUB["supported_python_versions"] == ABOUT["supported_python_versions"]
    assert HUB["description"] == ABOUT["description"].removeprefix("Singer tap for ").removesuffix(".")


def test_meltano_config_set_changes_one_setting(tmp_path: Path) -> None:
    """`meltano config set` adds one value and rewrites no other line, because the file is in Meltano's order."""
    project = MeltanoProject.clone(tmp_path, {})
    assert project.meltano("config", "set", "tap-gong-activity", "company_timezone", "value").returncode == 0

    before = (ROOT / "meltano.yml").read_text(encoding="utf-8").splitlines()
    after = (tmp_path / "meltano.yml").read_text(encoding="utf-8").splitlines()
    changes = [line for line in difflib.ndiff(before, after) if not line.startswith("  ")]
    assert changes == ["+     config:", "+       company_timezone: value"]
