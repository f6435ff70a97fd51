"""How long `portico plan` takes for a tenant of 200 APIs with 2,000 subscriptions: `python -m bench.describing`. Goal: 10 s.

The command is a process of its own against the whole stack, so its start, the files, the way and the answer count. The tenant is made by
`portico apply` itself, whose times are told beside it: of what is new each document is read, in a process with limits, so the whole takes
minutes. What was read once is known by its text: before that `plan` took 23 s each time.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from apis.yaml_text import as_yaml
from bench.stage import ROOT, STACK, VAR, percentile, report, stack
from tests.e2e.pages import ADA
from tests.e2e.world import TENANT

GOAL_SECONDS = 10.0
APIS, APPLICATIONS, EACH, TIMES = 200, 80, 25, 5
FOLDER = VAR.parent / "described"
OPERATIONS = 20


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    with stack() as running:
        environment = {**os.environ, "XDG_CONFIG_HOME": str(STACK / "config"), "PORTICO_URL": running.portal_url, "PORTICO_TENANT": TENANT}
        password = next(each["password"] for each in running.sign_ins if each["email"] == ADA)
        portico(environment, "sign-in", "--email", ADA, typed=f"{password}\n")
        write(FOLDER)
        first, _ = portico(environment, "plan", str(FOLDER))
        made, _ = portico(environment, "apply", str(FOLDER), "--yes")
        times = [portico(environment, "plan", str(FOLDER)) for _ in range(TIMES)]
        # Of what the demo has beside it is told how much there is.
        assert {said.splitlines()[0] for _, said in times} == {"Nothing differs."}, times[0][1][:500]
        block(FOLDER / "apis" / "bench-000" / "api.yaml")
        losing, said = portico(environment, "plan", str(FOLDER))
        export, _ = portico(environment, "export", str(STACK / "exported"))
    head = said.splitlines()[0]
    figures: dict[str, Any] = {
        "plan, nothing differs, p50 s": percentile([each for each, _ in times], 0.5),
        "plan, nothing differs, most s": max(each for each, _ in times),
        f"plan, “{head}” s": losing,
        "export s": export,
        "plan, all of it new, s": first,
        "plan and apply, all of it new, s": made,
        "goal": GOAL_SECONDS,
    }
    report("describing", figures)
    return max(losing, *(each for each, _ in times)) >= GOAL_SECONDS


def portico(environment: dict[str, str], *arguments: str, typed: str = "") -> tuple[float, str]:
    """How long it took, and what it said."""
    began = time.monotonic()
    command = [sys.executable, "-m", "cli", *arguments]
    done = subprocess.run(command, input=typed, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return time.monotonic() - began, done.stdout


def write(folder: Path) -> None:
    """Each API with a document of its own, under a plan that approves by itself."""
    for number in range(APIS):
        place = folder / "apis" / f"bench-{number:03}"
        place.mkdir(parents=True)
        plan = {"name": "gold", "calls": 100, "seconds": 60, "approval": "automatic", "status": "published"}
        version = {"name": "v1", "status": "published", "document": "v1.openapi.yaml", "mock": True}
        (place / "api.yaml").write_text(
            as_yaml({"name": f"Bench {number}", "visibility": "tenant", "plans": [plan], "versions": [version]})
        )
        (place / "v1.openapi.yaml").write_text(as_yaml(document(number)))
    applications = [
        {"name": f"Described {number}", "owner": ADA, "environment": "test", "purpose": "It is counted."} for number in range(APPLICATIONS)
    ]
    subscriptions = [
        {"application": f"Described {number}", "api": f"bench-{(number * 7 + at) % APIS:03}", "plan": "gold", "purpose": "It is counted."}
        for number in range(APPLICATIONS)
        for at in range(EACH)
    ]
    (folder / "applications.yaml").write_text(as_yaml(applications))
    (folder / "subscriptions.yaml").write_text(as_yaml(subscriptions))


def document(number: int) -> dict[str, Any]:
    answer = {"description": "An answer", "content": {"application/json": {"example": {"id": number}}}}
    paths = {
        f"/things-{at}": {"get": {"operationId": f"get{at}", "summary": f"Thing {at}", "responses": {"200": answer}}}
        for at in range(OPERATIONS)
    }
    return json.loads(json.dumps({"openapi": "3.1.0", "info": {"title": f"Bench {number}", "version": "1"}, "paths": paths}))  # type: ignore[no-any-return]


def block(file: Path) -> None:
    text = file.read_text()
    assert "status: published" in text.partition("versions:")[2]
    before, between, versions = text.partition("versions:")
    file.write_text(before + between + versions.replace("status: published", "status: blocked\n    reason: It is measured"))


if __name__ == "__main__":
    sys.exit(main())
