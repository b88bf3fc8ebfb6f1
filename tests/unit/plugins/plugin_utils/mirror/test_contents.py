"""The list of contents, for programs."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror import contents


def test_contents_with_an_unsafe_path_are_ignored() -> None:
    assert contents.from_json('{"schema": 1, "files": [{"path": "../x"}], "indexes": {}}') is None
