"""Settings: what the environment means."""

from pathlib import Path

import pytest

from server import settings


def test_argo_variables_are_understood_and_our_own_win() -> None:
    env = {"HOME": "/h", "ARGO_SERVER": "http://a", "ARGO_TOKEN": "Bearer t", "ARGO_NAMESPACE": "n"}
    read = settings.from_environment(env)
    assert (read.server, read.token, read.namespace) == ("http://a", "t", "n")
    ours = settings.from_environment({**env, "BIREME_TOKEN": "mine", "BIREME_SERVER": "http://b"})
    assert (ours.server, ours.token) == ("http://b", "mine")


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(settings.BadSetting, match="BIREME_PORT: expected a number, found 'many'"):
        settings.from_environment({"HOME": "/h", "BIREME_PORT": "many"})


def test_directories_follow_the_desktop_standard() -> None:
    read = settings.from_environment({"HOME": "/h", "XDG_STATE_HOME": "/s"})
    assert read.data_dir == Path("/h/.local/share/bireme")
    assert read.state_dir == Path("/s/bireme")


def test_neither_token_nor_secrets_show_in_the_representation() -> None:
    env = {"HOME": "/h", "BIREME_TOKEN": "hidden", "BIREME_SECRET_A_B": "hidden"}
    assert "hidden" not in repr(settings.from_environment(env))


def test_options_that_were_not_given_change_nothing() -> None:
    read = settings.from_environment({"HOME": "/h"})
    assert read.with_(port=None, host="::1").port == settings.DEFAULT_PORT


def test_how_long_and_how_many_events_are_kept_can_be_said() -> None:
    read = settings.from_environment({"HOME": "/h", "BIREME_RETAIN_EVENTS": "5000"})
    assert (read.retain_events, read.retain_events_s) == (5000, 7 * 86400)


def test_executor_plugins_are_addresses_by_name() -> None:
    env = {"HOME": "/h", "BIREME_EXECUTOR_PLUGINS": "a=http://x:1, b=https://y/?q=1"}
    assert settings.from_environment(env).executor_plugins == {
        "a": "http://x:1",
        "b": "https://y/?q=1",
    }
    with pytest.raises(settings.BadSetting, match="expected NAME=http://ADDRESS, found 'a=ftp:'"):
        settings.from_environment({"HOME": "/h", "BIREME_EXECUTOR_PLUGINS": "a=ftp:"})
