"""What a user may easily get wrong costs neither data nor a secret, and is told in one sentence."""

from __future__ import annotations

import pytest
from support.played_runs import STREAMS, assert_ended_well, assert_failed, gong, run

from tap_gong_activity.cli import CommandLine


def test_a_period_that_end_date_cuts_does_not_replace_one_that_was_written_whole() -> None:
    """With an end_date behind the bookmark, the open period is none: it has ended, and stands complete."""
    with gong() as sandbox:
        whole = run(sandbox, streams=["activity_by_month"], start_date="2025-01-01")
        cut = run(
            sandbox,
            streams=["activity_by_month"],
            start_date="2025-01-01",
            end_date="2025-02-15",
            include_open_period=True,
            lookback_days=60,
            state=whole.state,
        )

    assert_ended_well(cut)
    assert {(row["period_start_date"], row["is_complete"]) for row in cut.rows} == {("2025-01-01", True)}
    assert cut.bookmarks == whole.bookmarks == {"activity_by_month": "2025-03-01"}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_test_asks_gong_even_where_no_period_has_ended(stream: str) -> None:
    """So that a wrong key is noticed whatever the dates are."""
    with gong() as sandbox:
        refused = run(sandbox, "--test", streams=[stream], start_date="2030-01-01", access_key="wrong")

    assert "check the access key" in assert_failed(refused)
    assert len(refused.requests) == 1


def test_a_whole_state_message_is_no_state() -> None:
    """Taken for an empty state, it would have everything read again."""
    message = {"type": "STATE", "value": {"bookmarks": {"activity_by_day": {"replication_key_value": "2025-03-01"}}}}
    with gong() as sandbox:
        ran = run(sandbox, state=message)

    assert "pass on its value" in assert_failed(ran)
    assert ran.requests == []


def test_settings_given_for_the_path_of_a_file_are_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """They may hold a secret."""
    command = CommandLine.get_singer_command()

    with pytest.raises(SystemExit) as ending:
        command.main(["--config", '{"access_key_secret": "hush"}'])

    assert ending.value.code == 1
    assert "takes the path of a JSON file" in caplog.text
    assert "hush" not in caplog.text


def test_a_wrong_value_of_a_setting_of_the_sdks_is_not_repeated() -> None:
    """It is named, as it may hold a secret too."""
    with gong() as sandbox:
        ran = run(sandbox, stream_map_config="hush")

    assert "stream_map_config" in assert_failed(ran)
    assert "hush" not in ran.log
