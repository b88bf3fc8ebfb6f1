"""How commands end."""

from __future__ import annotations

import pytest

from local.fleet.errors import FleetError, reported


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (FleetError("it failed", "do this"), 1, "error: it failed\n  do this\n"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device\n  nothing half made"),
        (KeyboardInterrupt(), 130, "interrupted; run it again"),
    ],
)
def test_a_commands_error_is_two_lines_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    assert reported(fail) == code
    assert capsys.readouterr().err.startswith(said)


def test_a_commands_own_exit_code_is_kept() -> None:
    assert reported(lambda: 3) == 3
