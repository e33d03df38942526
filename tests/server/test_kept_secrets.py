"""Secrets and config maps by reference, and their masking."""

import base64
from pathlib import Path

import pytest

from server.secrets import KeptSecrets, SecretNotFound


def kept(tmp_path: Path, **environment: str) -> KeptSecrets:
    return KeptSecrets(tmp_path, environment)


def test_an_applied_secret_is_decoded_and_plain_strings_win(tmp_path: Path) -> None:
    secrets = kept(tmp_path)
    data = {"a": base64.b64encode(b"one").decode(), "b": base64.b64encode(b"two").decode()}
    secrets.keep("Secret", "default", "s", {"data": data, "stringData": {"b": "three"}})
    assert secrets.secret("default", "s", "a") == b"one"
    assert secrets.secret("default", "s", "b") == b"three"


def test_a_file_then_the_environment_stand_in_for_an_applied_secret(tmp_path: Path) -> None:
    (tmp_path / "github").mkdir()
    (tmp_path / "github" / "key").write_text("from a file\n")
    secrets = kept(tmp_path, GITHUB_KEY="unused", OTHER_API_KEY="from the environment")
    assert secrets.secret("default", "github", "key") == b"from a file"
    assert secrets.secret("default", "other", "api-key") == b"from the environment"


@pytest.mark.parametrize("key", ["../outside", "..", "a/b", ".hidden", "/etc/passwd"])
def test_a_key_never_leads_out_of_the_directory(tmp_path: Path, key: str) -> None:
    (tmp_path / "outside").write_text("no")
    with pytest.raises(SecretNotFound):
        kept(tmp_path / "secrets").secret("default", "s", key)


def test_what_is_missing_is_named_with_the_places_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(SecretNotFound, match=r'secret "s" key "k".*BIREME_SECRET_S_K'):
        kept(tmp_path).secret("default", "s", "k")
    with pytest.raises(SecretNotFound, match='config map "c" key "k"'):
        kept(tmp_path).config("default", "c", "k")


def test_a_value_that_was_handed_out_never_shows_in_a_log_line(tmp_path: Path) -> None:
    secrets = kept(tmp_path)
    secrets.keep("Secret", "default", "s", {"stringData": {"k": "correct horse"}})
    value = secrets.secret("default", "s", "k")
    encoded = base64.b64encode(value).decode()
    entry = {"event": "failed", "error": f"sent correct horse and {encoded}", "count": 1}
    assert secrets.mask_entry(None, "", entry) == {
        "event": "failed",
        "error": "sent *** and ***",
        "count": 1,
    }


def test_a_removed_object_is_forgotten(tmp_path: Path) -> None:
    secrets = kept(tmp_path)
    secrets.keep("ConfigMap", "default", "c", {"data": {"k": "v"}})
    assert secrets.config("default", "c", "k") == "v"
    secrets.forget("ConfigMap", "default", "c")
    with pytest.raises(SecretNotFound):
        secrets.config("default", "c", "k")


def test_a_secret_that_is_handed_out_while_a_text_is_masked_does_no_harm(tmp_path: Path) -> None:
    secrets = kept(tmp_path)
    secrets.keep("Secret", "default", "s", {"stringData": {"k": "correct horse", "l": "battery"}})
    secrets.secret("default", "s", "k")

    class Searched(str):
        def __contains__(self, value: str) -> bool:  # type: ignore[override]
            secrets.secret("default", "s", "l")  # as another thread may
            return super().__contains__(value)

    assert secrets.mask(Searched("sent correct horse")) == "sent ***"


def test_a_secret_that_begins_like_another_leaves_nothing_of_it(tmp_path: Path) -> None:
    secrets = kept(tmp_path)
    secrets.keep("Secret", "default", "s", {"stringData": {"k": "correct", "l": "correct horse"}})
    for key in ("k", "l"):
        secrets.secret("default", "s", key)
    assert secrets.mask("sent correct horse") == "sent ***"
