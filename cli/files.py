"""A folder that describes a tenant: read into what REST takes, and written from what it answers. Each file is a part; a file that is not
there leaves its part alone.
"""

import difflib
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apis.yaml_text import as_yaml
from cli.refusals import Refused
from cli.yaml_files import Place, Places, read, refuse

LISTS = ("members", "teams", "aliases", "applications", "subscriptions")
TENANT = "tenant.yaml"
KNOWN = (TENANT, *(f"{name}.yaml" for name in LISTS))
MOST_BYTES = 2 * 1024 * 1024
MOST_OF_DOCUMENT = 16 * 1024 * 1024
MOST_TOGETHER = 18 * 1024 * 1024
_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
_VERSION = re.compile(r"v[0-9]{1,4}(?:\.[0-9]{1,4})?")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_AT = re.compile(r"Line ([0-9]+), column ([0-9]+): (.*)", re.DOTALL)
# What is left out of a file where it says nothing.
_SILENT = {"reason": "", "sunset": None, "successor": "", "mock": False}


@dataclass(slots=True)
class Folder:
    """`description` as it is sent, `documents` the files of OpenAPI documents by their path in it."""

    root: Path
    description: dict[str, Any] = field(default_factory=dict)
    places: Places = field(default_factory=Places)
    documents: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    size: int = 0
    read: Any = field(default_factory=hashlib.sha256)

    @property
    def digest(self) -> str:
        """Of all that was read, in its order: not of secrets, which are not in it."""
        found: str = self.read.hexdigest()
        return found

    def text(self, path: Path, *, named_at: Place | None = None, most: int = MOST_BYTES) -> str:
        """
        :raises Refused: it is not there, not in this folder, too large, or no text.
        """
        shown = str(path.relative_to(self.root))
        place = named_at or Place(shown)
        try:
            inside = path.resolve(strict=True)
        except (OSError, RuntimeError):
            raise refuse(place, f"There is no file {shown}.") from None
        if not inside.is_relative_to(self.root.resolve()):
            raise refuse(place, f"{shown} leads out of this folder.")
        if not inside.is_file():
            raise refuse(place, f"{shown} is no file.")
        with inside.open("rb") as file:
            raw = file.read(most + 1)
        self.size += len(raw)
        self.read.update(f"{shown}\0{len(raw)}\0".encode() + raw)
        if len(raw) > most:
            raise refuse(place, f"{shown} has more than {most // 1024 // 1024} MB.")
        if self.size > MOST_TOGETHER:
            raise refuse(place, f"These files have more than {MOST_TOGETHER // 1024 // 1024} MB together.")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = "\x00"
        if "\x00" in text:
            raise refuse(place, f"{shown} is no text in UTF-8.")
        return text

    def in_words(self, errors: Mapping[str, list[str]]) -> str:
        """Each of the portal's sentences with the place in these files that it is about."""
        return "\n".join(self._sentence(path, each) for path, sentences in errors.items() for each in sentences)

    def _sentence(self, path: str, sentence: str) -> str:
        at = tuple(int(part) if part.isdigit() else part for part in path.removeprefix("description").strip(".").split("."))
        if at in self.documents and (found := _AT.fullmatch(sentence)):
            return f"{self.documents[at]}:{found[1]}:{found[2]}: {found[3]}"
        place = self.places.of(at)
        return f"{place}: {sentence}" if place else f"{path}: {sentence}"


def load(root: Path, environment: Mapping[str, str]) -> Folder:
    """
    :param environment: where secrets are.
    :raises Refused: with file, line and column.
    """
    if not root.is_dir():
        raise Refused(f"{root} is no folder.")
    found = Folder(root)
    names = sorted(each.name for each in root.iterdir())
    for name in names:
        if name not in KNOWN and name.endswith((".yaml", ".yml")):
            near = difflib.get_close_matches(name, KNOWN, 1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(KNOWN)}, and the folder apis."
            raise Refused(f"{name}: This file is not known here; {meant}")
    for name in KNOWN:
        if name in names:
            part = name.removesuffix(".yaml")
            value = read(found.text(root / name), name, (part,), found.places)
            wanted = dict if name == TENANT else list
            if not isinstance(value, wanted):
                raise refuse(Place(name), "This has to be a list." if wanted is list else "This has to be a mapping.")
            found.description[part] = value
    if "apis" in names:
        found.description["apis"] = _apis(found, environment)
    return found


def _apis(found: Folder, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    apis: list[dict[str, Any]] = []
    for folder in sorted((found.root / "apis").iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        shown = f"apis/{folder.name}/api.yaml"
        at = ("apis", len(apis))
        value = read(found.text(folder / "api.yaml"), shown, at, found.places)
        if not isinstance(value, dict):
            raise refuse(Place(shown), "This has to be a mapping.")
        if "slug" in value and value["slug"] != folder.name:
            raise refuse(found.places.found[*at, "slug"], f"Its folder says that its slug is “{folder.name}”.")
        versions = value.get("versions")
        for index, each in enumerate(versions if isinstance(versions, list) else ()):
            if isinstance(each, dict):
                _version(found, folder, each, (*at, "versions", index), environment)
        apis.append({"slug": folder.name, **value})
    return apis


def _version(found: Folder, folder: Path, each: dict[str, Any], at: tuple[str | int, ...], environment: Mapping[str, str]) -> None:
    """With its document's text in place of the name of the file, and secrets in place of the names of their variables."""
    if isinstance(name := each.get("document"), str):
        place = found.places.of((*at, "document"))
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise refuse(place or Place(str(folder)), f"{name} leads out of this folder.")
        each["document"] = found.text(path, named_at=place, most=MOST_OF_DOCUMENT)
        found.documents[*at, "document"] = str(path.relative_to(found.root))
    upstream = each.get("upstream")
    for name in ("secret", "client_key"):
        if isinstance(upstream, dict) and upstream.get(name):
            reference = _REFERENCE.fullmatch(str(upstream[name]))
            if reference is None:
                place = found.places.of((*at, "upstream", name)) or Place(str(folder))
                raise refuse(place, "A secret does not stand in a file. Write ${NAME}, and set NAME in the environment.")
            upstream[name] = environment.get(reference[1]) or upstream[name]


# --- writing ---------------------------------------------------------------------------------------------------------


def save(root: Path, told: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Write the folder anew. How many files, and those in it that nothing was written to.

    :raises Refused: something stands in the way, or the portal answered what is no name of a file.
    """
    files = _files(told)
    for name in files:
        path = root / name
        for each in (path, *path.parents):
            if each == root or each == Path(each.anchor):
                break
            if each.is_symlink():
                raise Refused(f"{each} is a link; remove it first.")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    there = {*root.glob("*.yaml"), *root.glob("apis/*/*.yaml")}
    return len(files), sorted(str(each.relative_to(root)) for each in there if str(each.relative_to(root)) not in files)


def _files(told: Mapping[str, Any]) -> dict[str, str]:
    files = {}
    if "tenant" in told:
        files[TENANT] = as_yaml(told["tenant"])
    names: dict[str, int] = {}
    for each in told.get("applications", ()):
        names[each["name"]] = names.get(each["name"], 0) + 1
    for part in LISTS:
        if part in told:
            files[f"{part}.yaml"] = as_yaml([_plain(part, each, names) for each in told[part]])
    for api in told.get("apis", ()):
        slug = api["slug"]
        if not _SLUG.fullmatch(slug):
            raise Refused(f"“{slug}” is no slug.")
        written = {name: value for name, value in api.items() if name != "slug"}
        written["plans"] = [_quiet(each) for each in api["plans"]]
        written["versions"] = []
        for each in api["versions"]:
            if not _VERSION.fullmatch(each["name"]):
                raise Refused(f"“{each['name']}” is no version's name.")
            version = _quiet(each)
            if "document" in each:
                version["document"] = f"{each['name']}.openapi.yaml"
                files[f"apis/{slug}/{version['document']}"] = each["document"]
            written["versions"].append(version)
        files[f"apis/{slug}/api.yaml"] = as_yaml(written)
    return files


def _plain(part: str, each: dict[str, Any], names: Mapping[str, int]) -> dict[str, Any]:
    found = _quiet(each)
    if part == "subscriptions" and names.get(each["application"]) == 1:
        # Its name says which one.
        return {name: value for name, value in found.items() if name not in {"owner", "team"}}
    return found


def _quiet(each: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in each.items() if name not in _SILENT or value != _SILENT[name]}


def environment() -> Mapping[str, str]:
    return os.environ
