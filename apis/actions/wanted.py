"""A description as somebody sent it, in the normal form of `describing.describe`: names resolved, documents read, addresses looked up.

It takes seconds for many documents, so it runs outside any transaction; what it needs of the tenant was read before.
"""

import hmac
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from django.conf import settings
from django.utils.translation import gettext as _

from apis import balancing, connections, openapi, origins, upstreams
from apis.actions import catalogue, describing, keeping, publishing, wanted_offers
from apis.connections import ConnectionRefused
from apis.description import EMPTY_API, Description, Entry, Key, key_of
from apis.description.differing import OF_MODELS, is_ai
from apis.models import Upstream
from apis.openapi import Document
from apis.origins import OriginRefused
from apis.policies import Policies, PolicyRefused
from tenants.errors import Busy, Invalid
from tenants.people import settings as tenant_settings
from tenants.people.invitations import address_of

# What stands in a file in place of a secret.
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Of an upstream, what never stands in a description.
SECRETS = ("secret", "client_key")
# What stands in place of one that was sent and differs.
ANOTHER = "another"
MOST_PROBLEMS = 50
# Documents of one description that are read.
MOST_READ = 500
_readers = threading.BoundedSemaphore(2)
# The upstreams of live revisions, by API and version.
Live: TypeAlias = Mapping[tuple[str, str], Upstream]
# And of which texts their documents were read.
Sources: TypeAlias = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Making:
    """What a revision is made of. `document` is None where the live one's stays; `upstream` as publishing.check_target takes it."""

    document: Document | None = None
    upstream: Mapping[str, Any] | None = None
    mock: bool = False


@dataclass(slots=True)
class Wanted:
    """`description` in normal form; `makings` by API and version."""

    description: Description = field(default_factory=dict)
    makings: dict[tuple[str, str], Making] = field(default_factory=dict)


class _Problems:
    """What can't be used, by path; and how many documents were `read` to find out."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}
        self.read = 0

    def at(self, path: str, sentence: str) -> None:
        if len(self.found) < MOST_PROBLEMS:
            self.found.setdefault(path, []).append(sentence)

    def refused(self, path: str, error: Invalid) -> None:
        for name, sentences in error.problems.items():
            for sentence in sentences:
                self.at(f"{path}.{name}" if name else path, sentence)


def read(given: Mapping[str, Any], now: Description, *, live: Live, sources: Sources, at: datetime) -> Wanted:
    """
    :param given: as the serializers leave it. :param at: the database's clock.
    :raises Invalid: by path, all that can't be used.
    """
    problems, wanted = _Problems(), Wanted()
    names = _Names.of(given, now)
    if "tenant" in given:
        wanted.description["tenant"] = _tenant(given["tenant"], problems)
    if "members" in given:
        wanted.description["members"] = _members(given["members"], names, problems)
    if "teams" in given:
        wanted.description["teams"] = _teams(given, now, names, problems)
    if "aliases" in given:
        wanted.description["aliases"] = [dict(each) for each in given["aliases"]]
        wanted_offers.check_aliases(given["aliases"], now, problems.at)
        _once(((each["name"], f"aliases.{index}.name") for index, each in enumerate(given["aliases"])), problems)
    if "apis" in given:
        there = {each["slug"]: each for each in now["apis"]}
        _once(((each["slug"], f"apis.{index}.slug") for index, each in enumerate(given["apis"])), problems)
        found = [_api(each, there.get(each["slug"]), f"apis.{index}", names, problems) for index, each in enumerate(given["apis"])]
        wanted.description["apis"] = found
    if "applications" in given:
        wanted.description["applications"] = _applications(given["applications"], names, problems)
    if "subscriptions" in given:
        wanted.description["subscriptions"] = _subscriptions(given, now, problems)
    if not problems.found and "apis" in given:
        # What is dear comes last: only where the rest can be used.
        make = partial(_make, wanted=wanted, live=live, sources=sources, at=at, problems=problems)
        for index, each in _alone(wanted.description["apis"]):
            make(each, there.get(each["slug"], EMPTY_API), f"apis.{index}")
    if problems.found:
        raise Invalid({f"description.{path}": said for path, said in problems.found.items()})
    return wanted


def _alone(apis: list[Entry]) -> Iterator[tuple[int, Entry]]:
    """So many descriptions are read at once by one process: hundreds of documents take a minute."""
    if not _readers.acquire(blocking=False):
        raise Busy("Portico reads other descriptions just now. Try again in a few seconds.")
    try:
        yield from enumerate(apis)
    finally:
        _readers.release()


@dataclass(frozen=True, slots=True)
class _Names:
    """What can be referred to: what is there, and what the description brings."""

    members: frozenset[str]
    custom_roles: frozenset[str]
    teams: Mapping[str, str]
    categories: frozenset[str]
    models: frozenset[str]

    @classmethod
    def of(cls, given: Mapping[str, Any], now: Description) -> "_Names":
        teams = [each["name"] for each in (*now["teams"], *given.get("teams", ()))]
        return cls(
            members=frozenset(each["email"] for each in now["members"]),
            custom_roles=frozenset(now["roles"]),
            teams={each.lower(): each for each in teams},
            categories=frozenset([*now["tenant"]["categories"], *given.get("tenant", {}).get("categories", ())]),
            models=frozenset([*now["models"], *(each["name"] for each in given.get("aliases", ()))]),
        )

    def team(self, given: str, path: str, problems: _Problems) -> str:
        if given and given.lower() not in self.teams:
            problems.at(path, f"There is no team “{given}”, neither here nor in teams.")
        return self.teams.get(given.lower(), given)


def _once(names: Iterable[tuple[Any, str]], problems: _Problems) -> None:
    seen: dict[Any, str] = {}
    for name, path in names:
        if name in seen:
            problems.at(path, f"“{name if isinstance(name, str) else name[0]}” stands here twice.")
        seen[name] = path


def _tenant(given: Entry, problems: _Problems) -> Entry:
    found = dict(given)
    if "sign_up_domains" in found:
        try:
            found["sign_up_domains"] = tenant_settings.domains(found["sign_up_domains"])
        except Invalid as refused:
            problems.refused("tenant", refused)
    if "ai_budget" in found:
        found["ai_budget"] = describing.budget(found["ai_budget"]) if found["ai_budget"] else {}
    if "categories" in found:
        found["categories"] = sorted({" ".join(each.split()) for each in found["categories"]})
    return found


def _members(given: list[Entry], names: _Names, problems: _Problems) -> list[Entry]:
    found = []
    for index, each in enumerate(given):
        path = f"members.{index}"
        entry = {**each, "email": address_of(each["email"])}
        for name in ("roles", "custom_roles"):
            if name in each:
                entry[name] = sorted(set(each[name]))
        if "teams" in each:
            entry["teams"] = sorted({names.team(team, f"{path}.teams", problems) for team in each["teams"]})
        for role in entry.get("custom_roles", ()):
            if role not in names.custom_roles:
                problems.at(f"{path}.custom_roles", f"There is no role “{role}” here.")
        if entry["email"] not in names.members and not (entry.get("roles") or entry.get("custom_roles")):
            problems.at(f"{path}.roles", "Whom you invite needs a role.")
        found.append(entry)
    _once(((each["email"], f"members.{index}.email") for index, each in enumerate(found)), problems)
    return found


def _teams(given: Mapping[str, Any], now: Description, names: _Names, problems: _Problems) -> list[Entry]:
    there = {each["name"].lower(): each for each in now["teams"]}
    members = {address_of(each["email"]): each for each in given.get("members", ())}
    found = []
    for index, each in enumerate(given["teams"]):
        path, entry = f"teams.{index}", dict(each)
        if "lead" in entry:
            entry["lead"] = lead = address_of(entry["lead"])
            if lead not in names.members:
                problems.at(f"{path}.lead", f"{lead} is no member here, so they can't lead a team.")
            elif "teams" in members.get(lead, ()) and entry["name"].lower() not in {name.lower() for name in members[lead]["teams"]}:
                problems.at(f"{path}.lead", f"{lead} leads {entry['name']}, and is not in it: members does not have it among their teams.")
        elif entry["name"].lower() not in there:
            problems.at(f"{path}.lead", "A new team needs a lead.")
        found.append(entry)
    _once(((each["name"].lower(), f"teams.{index}.name") for index, each in enumerate(found)), problems)
    return found


def _api(given: Entry, now: Entry | None, path: str, names: _Names, problems: _Problems) -> Entry:
    found = {name: value for name, value in given.items() if name != "versions"}
    if now is None and "name" not in given:
        problems.at(f"{path}.name", "A new API needs a name.")
        found["name"] = given["slug"]
    if given.get("category") and given["category"] not in names.categories:
        problems.at(f"{path}.category", f"There is no category “{given['category']}”, neither here nor in tenant.")
    if "team" in given:
        found["team"] = names.team(given["team"], f"{path}.team", problems)
    if "teams" in given:
        found["teams"] = sorted({names.team(team, f"{path}.teams", problems) for team in given["teams"]})
    _audience(found, now or EMPTY_API, path, problems)
    _forms(found, path, problems)
    for part in ("plans", "versions"):
        _once(((each["name"], f"{path}.{part}.{index}.name") for index, each in enumerate(given.get(part, ()))), problems)
    _plans_are_possible(given, now or EMPTY_API, path, problems)
    wanted_offers.check(given, now, path, names.models, problems.at)
    if "plans" in given:
        quotas = {each["name"]: each["quota"] for each in (now or EMPTY_API)["plans"]}
        ai = is_ai(now or given)
        found["plans"] = [_plan(each, quotas.get(each["name"], 0), ai=ai) for each in given["plans"]]
    if "versions" in given:
        found["versions"] = [dict(each) for each in given["versions"]]
        for each in found["versions"]:
            if each.get("sunset"):
                each["sunset"] = each["sunset"].isoformat()
            if "tools" in each:
                each["tools"] = list(map(wanted_offers.tool, each["tools"]))
    return found


def _plans_are_possible(given: Entry, now: Entry, path: str, problems: _Problems) -> None:
    there = {each["name"]: each for each in now["plans"]}
    for index, each in enumerate(given.get("plans", ())):
        for name in {"calls", "seconds"} - each.keys() if each["name"] not in there else ():
            problems.at(f"{path}.plans.{index}.{name}", "A new plan needs this.")
        whole = {"burst": 0, **there.get(each["name"], {}), **each}
        if whole["burst"] > whole.get("calls", whole["burst"]):
            problems.at(f"{path}.plans.{index}.burst", "No more of its calls can come at once than there are in all.")


def _plan(given: Entry, quota: int, *, ai: bool) -> Entry:
    """Of what is not counted neither period nor zone matters; nor does what says nothing, where a plan has no models."""
    found = {name: value for name, value in given.items() if name not in OF_MODELS or ai}
    if "models" in found:
        found["models"] = sorted(set(found["models"]))
    if "budget" in found:
        found["budget"] = describing.budget(found["budget"]) if found["budget"] else {}
    if not given.get("quota", quota):
        return {name: value for name, value in found.items() if name not in {"quota_period", "quota_time_zone"}}
    return found


def _audience(found: Entry, now: Entry, path: str, problems: _Problems) -> None:
    visibility = found.get("visibility", now["visibility"])
    if visibility == "teams" and not found.get("teams", now["teams"]):
        problems.at(f"{path}.teams", _("Choose at least one team that sees it."))
    elif visibility != "teams" and found.get("teams"):
        problems.at(f"{path}.teams", "Only where visibility is teams do some teams see it alone.")


def _forms(found: Entry, path: str, problems: _Problems) -> None:
    """What has a normal form of its own."""
    try:
        if "tags" in found:
            found["tags"] = catalogue.tags_of(found["tags"])
        if "cors_origins" in found:
            found["cors_origins"] = origins.normal(found["cors_origins"])
        if "policies" in found:
            found["policies"] = describing.policies(Policies().changed(found["policies"]))
    except Invalid as refused:
        problems.refused(path, refused)
    except OriginRefused as origin:
        problems.at(f"{path}.cors_origins", _(origin.sentence) % origin.named)
    except PolicyRefused as policy:
        problems.at(f"{path}.policies.{policy.field}", _(policy.sentence) % policy.named)


def _applications(given: list[Entry], names: _Names, problems: _Problems) -> list[Entry]:
    found = []
    for index, each in enumerate(given):
        path, entry = f"applications.{index}", dict(each)
        if ("owner" in each) == ("team" in each):
            problems.at(f"{path}.owner", "Say either owner, a member's e-mail address, or team.")
            continue
        if "team" in each:
            entry["team"] = names.team(each["team"], f"{path}.team", problems)
        else:
            entry["owner"] = each["owner"].strip().lower()
        found.append(entry)
    _once(((key_of(each), f"applications.{index}.name") for index, each in enumerate(found)), problems)
    return found


def _subscriptions(given: Mapping[str, Any], now: Description, problems: _Problems) -> list[Entry]:
    described, there = _by_name(given.get("applications", ())), _by_name(now["applications"])
    plans = {api["slug"]: {plan["name"] for plan in api["plans"]} for api in now["apis"]}
    for api in given.get("apis", ()):
        plans.setdefault(api["slug"], set()).update(plan["name"] for plan in api.get("plans", ()))
    found, paths = [], []
    for index, each in enumerate(given["subscriptions"]):
        path = f"subscriptions.{index}"
        key = _application(each, described, there, path, problems)
        if each["api"] not in plans:
            problems.at(f"{path}.api", f"There is no API “{each['api']}”, neither here nor in apis.")
        elif each["plan"] not in plans[each["api"]]:
            problems.at(f"{path}.plan", f"The API “{each['api']}” has no plan “{each['plan']}”.")
        if key is None:
            continue
        whose = {"team": key[1].removeprefix("team ")} if key[1].startswith("team ") else {"owner": key[1]}
        plain = {name: value for name, value in each.items() if name not in {"owner", "team"}}
        found.append({**plain, **whose})
        paths.append(((*key, each["api"]), f"{path}.application"))
    _once(paths, problems)
    return found


def _by_name(entries: Iterable[Mapping[str, Any]]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for each in entries:
        found.setdefault(each["name"], []).append(key_of(each))
    return found


def _application(
    each: Entry, described: Mapping[str, list[Key]], there: Mapping[str, list[Key]], path: str, problems: _Problems
) -> Key | None:
    """The one of this name: among those that are described, else among those that there are."""
    name = each["application"]
    said = key_of(each, "application")
    for among in (described.get(name, []), there.get(name, [])):
        fitting = [key for key in among if not said[1] or key[1].lower() == said[1].lower()]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            problems.at(f"{path}.application", f"There are {len(fitting)} applications “{name}”; say owner or team as well.")
            return None
    problems.at(f"{path}.application", f"There is no application “{name}”, neither here nor in applications.")
    return None


def done(description: Description) -> Description:
    """As it is told once it stands: of another secret nothing is seen any more."""
    return {**description, "apis": [_done(api) for api in description["apis"]]} if "apis" in description else description


def _done(api: Entry) -> Entry:
    found = []
    for each in api.get("versions", ()):
        upstream = dict(each.get("upstream", {}))
        for name in SECRETS:
            if upstream.get(name) == ANOTHER:
                upstream[name] = describing.reference(api["slug"], each["name"], name)
        found.append({**each, **({"upstream": upstream} if upstream else {})})
    return {**api, **({"versions": found} if "versions" in api else {})}


# --- revisions -------------------------------------------------------------------------------------------------------


def _make(api: Entry, now: Entry, path: str, *, wanted: Wanted, live: Live, sources: Sources, at: datetime, problems: _Problems) -> None:
    if is_ai(now) or is_ai(api):
        return
    there = {each["name"]: each for each in now["versions"]}
    for index, each in enumerate(api.get("versions", ())):
        key, where = (api["slug"], each["name"]), f"{path}.versions.{index}"
        old = there.get(each["name"], {})
        mock = each.pop("mock", None)
        document = _document(each, old, sources.get(key, ""), f"{where}.document", problems)
        given = each.get("upstream")
        if given is not None and mock:
            problems.at(f"{where}.mock", "A mock has no upstream: leave one of the two out.")
            continue
        if given is not None:
            each["upstream"] = _upstream(given, old, live.get(key), path=f"{where}.upstream", at=at, problems=problems)
        if given is None and mock is None and "document" in each and "live" not in old:
            problems.at(f"{where}.upstream", "Say where its calls go, or that gateways answer from examples: mock: true.")
        if "document" not in each and "live" not in old and (given is not None or mock):
            problems.at(f"{where}.document", "Name the file of its OpenAPI document.")
        if each.get("status", "created") != "created" and "document" not in each and "live" not in old:
            problems.at(f"{where}.document", "What is open to callers needs an OpenAPI document.")
        if mock is not None or given is not None:
            each["mock"] = bool(mock)
        is_mock = each.get("mock", old.get("mock", False))
        kept = None if given is None else {**given, **{name: _sent(given, name) for name in SECRETS}}
        wanted.makings[key] = Making(document, kept, is_mock)


def _document(each: Entry, old: Entry, source: str, path: str, problems: _Problems) -> Document | None:
    """Read, unless it is the live one's as it is exported or as it was sent. In `each` it stands in the normal form then.

    :param source: of which text the live one's was read.
    """
    text = each.get("document")
    if text is None or text == old.get("document"):
        return None
    if "document" in old and openapi.digest_of(text) == source:
        each["document"] = old["document"]
        return None
    problems.read += 1
    if problems.read > MOST_READ:
        problems.at(path, f"More than {MOST_READ} documents differ; describe fewer APIs at once.")
        return None
    try:
        document = openapi.read(text, gateway=settings.GATEWAY_URL)
    except openapi.TooManyAtOnceError:
        raise Busy("Portico reads other documents just now. Try again in a few seconds.") from None
    except openapi.DocumentError as error:
        for problem in error.problems:
            problems.at(path, f"Line {problem.line}, column {problem.column}: {problem.message}")
        return None
    each["document"] = describing.text_of(document.content)
    return document


def _sent(given: Mapping[str, Any], name: str) -> str:
    """A secret, where one came with it."""
    value: str = given.get(name, "")
    return "" if REFERENCE.fullmatch(value) else value


def _upstream(given: Entry, old: Entry, live: Upstream | None, *, path: str, at: datetime, problems: _Problems) -> Entry:
    """In normal form. A secret stands there as the live one's does, if it is the same or was not sent, else as another one."""
    told = {name: value for name, value in given.items() if name not in {*balancing.NAMES, "url", "header", *SECRETS}}
    timeouts = told.pop("connect_timeout_ms"), told.pop("timeout_ms")
    try:
        address = upstreams.parse(given["url"])
        connects = connections.read(now=at, scheme=address.scheme, **told)
        carrier = connections.header(connects, given["header"])
        balances = balancing.read(address, **{name: given[name] for name in balancing.NAMES})
    except upstreams.UpstreamRefused as refused:
        problems.at(f"{path}.url", str(refused))
        return {}
    except ConnectionRefused as error:
        problems.at(f"{path}.{error.field}", _(error.sentence) % error.named)
        return {}
    found = describing.as_written(address, connects, balances, header=given["header"], timeouts=timeouts)
    was = old.get("upstream", {})
    for name, kept in (("secret", keeping.secret_of), ("client_key", keeping.key_of)):
        value = given.get(name, "")
        if not value:
            # What is not said stays, as far as it is still asked for.
            if name in was and live is not None and _stays(name, live, carrier, connects):
                found[name] = was[name]
            continue
        sent = _sent(given, name)
        if not sent and name not in was:
            variable = value.strip("${}")
            problems.at(f"{path}.{name}", f"There is none here to keep: set {variable} in the environment, where this is sent from.")
        elif not sent or (name in was and _same(kept(live), sent, connects, name)):
            found[name] = was[name]
        else:
            found[name] = ANOTHER
    return found


def _stays(name: str, live: Upstream, carrier: str, connects: connections.Connection) -> bool:
    return keeping.keeps_secret(live, carrier, connects) if name == "secret" else keeping.keeps_key(live, connects)


def _same(kept: bytes, sent: str, connects: connections.Connection, name: str) -> bool:
    try:
        text = connections.client_key(connects, sent) if name == "client_key" else sent
    except ConnectionRefused:
        return False
    return hmac.compare_digest(kept, text.encode())


def target(making: Making, live: Upstream | None) -> publishing.Target | None:
    """Looked up. Without another one, that of the live revision with its secrets. None for a mock.

    :raises Invalid: calls can't or mustn't go there.
    """
    if making.mock:
        return None
    if making.upstream is not None:
        return publishing.check_target(**making.upstream, kept=live)
    if live is None:
        raise Invalid({"upstream": ["Say where its calls go."]})
    header = live.header if live.connects.credential == connections.HEADER else ""
    told = describing.given_of(live)
    return publishing.check_target(**told, header=header, kept=live)
