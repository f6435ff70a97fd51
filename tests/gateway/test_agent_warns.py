"""An agent whose words others can read says so where it starts."""

from typing import Any

import pytest

from gateway.agent.__main__ import main


@pytest.mark.parametrize(
    ("control", "warned"),
    [
        ("unix:/run/portico/control.sock", ""),
        ("127.0.0.1:9001 [::1]:9001 localhost:9001", ""),
        ("control.internal:9001", "control.internal:9001"),
        ("127.0.0.1:9001 10.0.0.7:9001", "10.0.0.7:9001"),
    ],
)
def test_an_agent_says_that_it_speaks_in_plain_text(
    tmp_path: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], control: str, warned: str
) -> None:
    """It ends at once here, for want of a credential."""
    nothing = ["--listen", f"unix:{tmp_path}/agent.sock", "--credential-file", f"{tmp_path}/none", "--snapshot", str(tmp_path / "s")]
    assert main([*nothing, "--control", control]) == 1
    said = [each.getMessage() for each in caplog.records if "plain text" in each.getMessage()]
    assert [each for each in said if f"to {warned}:" in each] == said
    assert bool(said) is bool(warned)
    caplog.clear()
    assert main([*nothing, "--control", control, "--tls-ca", "ca.pem"]) == 1
    assert "plain text" not in caplog.text
