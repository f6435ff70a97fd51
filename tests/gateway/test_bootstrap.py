"""What an operator starts a gateway with that has an agent beside it."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gateway.envoy.names import CONTROL_CLUSTER, USAGE_CLUSTER
from gateway.register import authenticate

pytestmark = pytest.mark.django_db
AGENT = "unix:/run/portico/agent.sock"


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    call_command("gateway_bootstrap", "--node", "edge", *options)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def addresses(whole: dict[str, Any]) -> dict[str, Any]:
    return {
        each["name"]: each["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        for each in whole["static_resources"]["clusters"]
    }


def test_the_token_lies_with_the_agent_and_stays(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "credential"
    whole = printed(capsys, "--agent", AGENT, "--agent-credential-file", str(file))
    token = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in json.dumps(whole)
    assert "initial_metadata" not in json.dumps(whole)
    assert addresses(whole)[CONTROL_CLUSTER] == {"pipe": {"path": "/run/portico/agent.sock"}}
    assert addresses(whole)[USAGE_CLUSTER]["pipe"]["path"].endswith("usage.sock")
    # Printed again it is the same one: another would end it, and what is sealed under it.
    printed(capsys, "--agent", AGENT, "--agent-credential-file", str(file))
    assert file.read_text() == token
    assert authenticate(f"Bearer {token}", "edge")
    # Unless it is none any more.
    file.write_text("ptc_node_of-nobody")
    printed(capsys, "--agent", AGENT, "--agent-credential-file", str(file))
    assert authenticate(f"Bearer {file.read_text()}", "edge")


def test_an_agent_that_has_joined_by_itself_needs_no_token(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "credential"
    printed(capsys, "--agent", AGENT, "--agent-credential-file", str(file))
    assert "ptc_node" not in json.dumps(printed(capsys, "--agent", AGENT))
    assert authenticate(f"Bearer {file.read_text()}", "edge")


def test_elsewhere_access_logs_go_by_the_agent(capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    settings.USAGE_ADDRESS = "usage.internal:9002"
    assert addresses(printed(capsys, "--agent", AGENT))[USAGE_CLUSTER] == {"pipe": {"path": "/run/portico/agent.sock"}}
    assert addresses(printed(capsys))[USAGE_CLUSTER]["socket_address"]["address"] == "usage.internal"


def test_a_file_for_no_agent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="name its socket with --agent"):
        call_command("gateway_bootstrap", "--agent-credential-file", str(tmp_path / "credential"))
