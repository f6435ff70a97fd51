"""The documents say what the code does: every name stands in its page, and no page names what isn't there."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import resolve

from gateway.envoy.refusals import REFUSALS
from portal.stack import roles as database_roles
from tenants.event_kinds import GATEWAY_KINDS, KINDS, PLATFORM_KINDS
from tenants.models import Role
from tenants.roles import PERMISSIONS

ROOT = Path(settings.BASE_DIR)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# Where packages come from is the business of the machine that installs them.
FOREIGN = re.compile(r"pypi\.org|pythonhosted|(?<!emit-)index-url|(?<!emit-)find-links|://\S+/simple\b")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
READERS = r"\benv|\bsecret|\bnetworks|environ\.get|_given\.get|_gives"
READS = re.compile(rf"""(?:{READERS})\(\s*f?["']([A-Z][A-Z0-9_]+)["']|environ\["([A-Z][A-Z0-9_]+)"\]""")


def page(name: str) -> str:
    return (ROOT / name).read_text()


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of each table, headings included."""
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def named(text: str) -> list[str]:
    """What stands as code in the first column of tables."""
    return [match[1] for row in rows(text) if (match := re.fullmatch(r"`([^`]+)`", row[0]))]


def tracked() -> list[Path]:
    """The files of the repository, those not added yet included; of a copy without git, the documents and the lock."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        return [*PAGES, ROOT / "requirements.lock", ROOT / "Makefile", ROOT / "pyproject.toml"]
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


def test_every_setting_stands_in_the_docs_and_no_other() -> None:
    sources = [ROOT / "portal/settings.py", *sorted((ROOT / "portal/stack").glob("*.py"))]
    read = {name for source in sources for found in READS.finditer(source.read_text()) for name in found.groups() if name}
    assert {"PORTICO_VAR", "PORTICO_ENVOY", "DATABASE_URL", "PORTICO_PEPPER"} <= read
    assert sorted(named(page("docs/settings.md"))) == sorted(read)


def test_only_the_settings_and_the_stack_read_the_environment() -> None:
    allowed = {ROOT / "portal/settings.py", *(ROOT / "portal/stack").glob("*.py")}
    for app in ("portal", "gateway", "apis", "keys", "tenants"):
        for source in set((ROOT / app).rglob("*.py")) - allowed:
            # The code alone: samples for readers read the environment, too.
            nodes = ast.walk(ast.parse(source.read_text()))
            code = (ast.unparse(node) for node in nodes if isinstance(node, ast.Subscript | ast.Attribute))
            assert not [part for part in code if re.match(r"(os\.)?(environ\[|environ\.get$|getenv$)", part)], source


def test_every_kind_of_event_stands_in_the_docs_with_what_gateways_hear() -> None:
    text = page("docs/events.md")
    in_tenant, on_platform = text.split("## On the platform")
    assert sorted(named(in_tenant)) == sorted(KINDS)
    assert sorted(named(on_platform)) == sorted(PLATFORM_KINDS)
    for kind, _, gateways in (row for row in rows(in_tenant) if row[0].startswith("`")):
        change = GATEWAY_KINDS.get(kind.strip("`"))
        parts = [change.part.value, "gives" if change.gives else "takes", *(["gathered"] if change.gathered else [])] if change else ["-"]
        assert gateways == ", ".join(parts), kind


def test_every_refusal_stands_in_the_docs_with_its_status() -> None:
    said = {row[0].strip("`"): row[1] for row in rows(page("docs/refusals.md")) if row[0].startswith("`")}
    assert said == {refusal.code: str(refusal.status) for refusal in reversed(REFUSALS)}


def test_the_table_of_roles_is_the_one_in_the_code() -> None:
    heading, *found = [row for row in rows(page("docs/roles.md")) if not row[0].startswith("-")]
    said = {row[0].strip("`"): {name for name, cell in zip(heading[1:6], row[1:6], strict=True) if cell == "x"} for row in found}
    assert heading[1:6] == [role.value for role in Role]
    assert said == {name: {role.value for role in holders} for name, holders in PERMISSIONS.items()}


def test_the_roles_of_the_database_are_made_as_the_stack_makes_them() -> None:
    text = re.sub(r"\s+", " ", page("docs/operations.md"))
    rights = database_roles.RIGHTS_SQL.replace(':"name"', "portico")
    for statement in filter(None, (re.sub(r"\s+", " ", part).strip() for part in rights.split(";"))):
        assert f"{statement};" in text, statement
    assert all(f"CREATE ROLE {role} " in text for role in database_roles.ROLES)


@pytest.mark.parametrize(
    ("extra", "heading"),
    [("", "## Dependencies"), *((extra, f"The extra `{extra}`") for extra in ("embedded", "aws", "pkcs11", "otel", "bench", "dev"))],
)
def test_the_readme_has_a_sentence_for_each_dependency(extra: str, heading: str) -> None:
    project = tomllib.loads(page("pyproject.toml"))["project"]
    wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
    part = page("README.md").partition(heading)[2]
    part = re.split(r"^(?:## |The extra )", part, flags=re.MULTILINE)[0]
    assert named(part) == [re.split(r"[~<>=]", requirement)[0] for requirement in wanted]


# What a package is imported as, where that is not its name.
IMPORTED_AS = {
    "PyJWT": "jwt",
    "PyYAML": "yaml",
    "django-allauth": "allauth",
    "django-csp": "csp",
    "django-oauth-toolkit": "oauth2_provider",
    "djangorestframework": "rest_framework",
    "djangorestframework-simplejwt": "rest_framework_simplejwt",
    "dnspython": "dns",
    "grpcio": "grpc",
    "markdown-it-py": "markdown_it",
    "opentelemetry-proto": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "protobuf": "google",
    "pytest-django": "pytest_django",
    "pytest-xdist": "xdist",
    "python-json-logger": "pythonjsonlogger",
    "python-jsonpath": "jsonpath",
    "python-pkcs11": "pkcs11",
    "xds-protos": "envoy",
}


def test_every_direct_import_is_a_direct_dependency() -> None:
    """And what only tests need is none of ours."""
    project = tomllib.loads(page("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    ours = {"portal", "gateway", "apis", "keys", "tenants", "cli"}
    optional = [*extras["embedded"], *extras["aws"], *extras["pkcs11"], *extras["otel"]]
    # xds-protos brings xds as well, and boto3's errors are botocore's.
    serving = sys.stdlib_module_names | ours | {"xds", "udpa", "botocore"} | _import_names([*project["dependencies"], *optional])
    # And h2 brings hpack and hyperframe.
    testing = serving | {"tests", "bench", "hpack", "hyperframe"} | _import_names([*extras["bench"], *extras["dev"]])
    for folder in (*ours, "tests", "bench"):
        for source in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"^\s*(?:from|import) ([a-z_]\w*)", source.read_text(), re.MULTILINE):
                # `standin` and what it writes are a project of their own.
                if source.name != "standin.py":
                    assert name in (serving if folder in ours else testing), f"{source}: {name}"


def _import_names(requirements: list[str]) -> set[str]:
    names = [re.split(r"[\[~<>=]", each)[0] for each in requirements]
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{document.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, target


def test_every_page_is_listed_in_the_index() -> None:
    listed = {(ROOT / "docs" / target).resolve() for target in LINK.findall(page("docs/index.md"))}
    assert {path for path in PAGES if path.is_relative_to(ROOT / "docs")} - {ROOT / "docs/index.md"} <= listed


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_documents_name_exist(document: Path) -> None:
    text = document.read_text()
    # What a run writes is not in the repository.
    written = ("var/", "run/", ".venv")
    folders = "portal|gateway|apis|keys|tenants|templates|static|tests|bench|docs"
    for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", text):
        assert name.startswith(written) or (ROOT / name).exists(), f"{document.name} names {name}"


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_documents_name_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.* ## ", page("Makefile"), re.MULTILINE))
    text = document.read_text()
    code = "\n".join([*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^(?: {4}|```\w*\n)(.+)$", text, re.MULTILINE)])
    for name in re.findall(r"(?:^|\s)make ([a-z][a-z-]*)", code, re.MULTILINE):
        assert name in targets, f"{document.name}: make {name}"
    commands = {
        path.stem for app in ("portal", "gateway", "apis", "keys", "tenants") for path in ROOT.glob(f"{app}/management/commands/*.py")
    }
    for name in re.findall(r"manage\.py ([a-z_]+)", text):
        assert name in commands | {"migrate", "check", "makemigrations", "spectacular"}, f"{document.name}: manage.py {name}"


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rest_addresses_that_documents_name_exist(document: Path) -> None:
    for address in re.findall(r"(?<![\w$])(/api/[\w/<>.-]+/)(?=[`\s\"?])", document.read_text()):
        resolve(re.sub(r"<id>", "01a2092a-2431-7605-bd63-85c3a5311192", address).replace("<tenant>", "acme").replace("<number>", "1"))


def test_no_file_names_where_packages_came_from() -> None:
    here = Path(__file__).resolve()
    for path in tracked():
        if path.resolve() == here or path.suffix in {".png", ".ico", ".woff2"}:
            continue
        found = FOREIGN.search(path.read_text(errors="replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found and found[0]}"


def test_the_lock_holds_packages_and_digests_only() -> None:
    for line in page("requirements.lock").splitlines():
        plain = line.strip().removesuffix(" \\")
        assert re.fullmatch(r"#.*|--hash=sha256:[0-9a-f]{64}|[a-z0-9._-]+==[^\s;]+(?: ; .+)?", plain), line
    assert "://" not in page("requirements.lock")


def test_the_lock_holds_every_direct_dependency() -> None:
    project = tomllib.loads(page("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", page("requirements.lock"), re.MULTILINE))
    for requirement in wanted:
        assert re.split(r"[\[~<>=]", requirement)[0].lower().replace("_", "-") in pinned, requirement


def test_the_check_before_a_change_runs_the_readmes_test_command() -> None:
    assert "\n    make test\n" in page("README.md")
    assert re.search(r"^exec make check test\b", page(".ci/run"), re.MULTILINE)
