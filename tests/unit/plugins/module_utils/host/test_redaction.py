"""No credential reaches a text that people read."""

from ansible_collections.lockstep.fleet.plugins.module_utils.host.redaction import redact


def test_url_without_credentials_and_token() -> None:
    assert redact("https://u:p@h/t/tk-123/c/x") == "https://<credentials>@h/t/<token>/c/x"
    assert redact("https://h/x?a=1&access_token=abc") == "https://h/x?a=1&access_token=<secret>"


def test_a_long_text_takes_no_longer_than_reading_it() -> None:
    assert redact(":" * 300_000) == ":" * 300_000
    assert redact("x" * 300_000) == "x" * 300_000
    assert redact("a:" * 300_000).endswith("a:")
    assert redact("get :user:secret@host, b:c:d@host") == "get :<credentials>@host, <credentials>@host"
