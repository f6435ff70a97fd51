"""What has to be done, part by part."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apis.description import EMPTY_API, Description, Difference, Entry, Key, key_of

# From one state to another, by the verbs of apis.actions.versions and plans; what is not here has no way.
_OPENED = {
    ("created", "prerelease"): ("prerelease",),
    ("created", "published"): ("publish",),
    ("created", "blocked"): ("publish", "block"),
    ("created", "deprecated"): ("publish", "deprecate"),
    ("prerelease", "published"): ("publish",),
    ("prerelease", "blocked"): ("publish", "block"),
    ("prerelease", "deprecated"): ("publish", "deprecate"),
    ("published", "blocked"): ("block",),
    ("published", "deprecated"): ("deprecate",),
    ("blocked", "published"): ("unblock",),
    ("blocked", "deprecated"): ("unblock", "deprecate"),
    ("deprecated", "published"): ("reinstate",),
    ("deprecated", "blocked"): ("reinstate", "block"),
}
_RETIRED = {"published": ("deprecate", "retire"), "blocked": ("unblock", "deprecate", "retire")}
_OFFERED = {
    ("staging", "published"): ("publish",),
    ("staging", "deprecated"): ("publish", "deprecate"),
    ("published", "deprecated"): ("deprecate",),
    ("deprecated", "published"): ("reinstate",),
}
_SAID = {
    "prerelease": "opened as a prerelease", "publish": "published", "block": "blocked", "unblock": "unblocked",
    "deprecate": "deprecated", "reinstate": "reinstated", "retire": "retired",
}  # fmt: skip
# What closes something comes after all that opens, so that what is described as going can still be begun with.
_CLOSING = {"block", "deprecate", "retire", "close"}
_REVIEWED = "A second person approves revisions of this API; import this one on its page, and ask for a review."
OF_MODELS = ("models", "max_tokens", "tokens_per_minute", "budget")
_TERMS = ("burst", "approval", "quota", "quota_period", "quota_time_zone", "scopes", *OF_MODELS)
_PROVIDERS = "providers.manage"
_LONGEST_VALUE = 60


def differences(now: Description, wanted: Description, *, prune: bool = False) -> list[Difference]:
    """What has to be done, in the order in which it can be.

    :param now: all of the tenant, in normal form. :param wanted: the parts that are described, in normal form.
    """
    found: list[Difference] = []
    if "tenant" in wanted:
        found += _tenant(now["tenant"], wanted["tenant"], prune=prune)
    if "members" in wanted:
        found += _members(now, wanted, prune=prune)
    if "teams" in wanted:
        found += _teams(now["teams"], wanted["teams"], prune=prune)
    if "aliases" in wanted:
        found += _aliases(now["aliases"], wanted["aliases"], prune=prune)
    if "apis" in wanted:
        found += _apis(now["apis"], wanted["apis"], prune=prune)
    if "applications" in wanted:
        found += _applications(now["applications"], wanted["applications"], prune=prune)
    if "subscriptions" in wanted:
        found += _subscriptions(now, wanted, prune=prune)
    return sorted(found, key=lambda each: each.order)


def _changes(was: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each field that is told and differs, with a text for it."""
    for name in names:
        if name in now and now[name] != was.get(name):
            yield name, f"{name} {_shown(was.get(name))} -> {_shown(now[name])}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        text = ", ".join(map(_shown, value))
    elif isinstance(value, dict):
        text = ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    else:
        text = "" if value is None else str(value)
    text = " ".join(text.split())
    return (text[:_LONGEST_VALUE] + "…" if len(text) > _LONGEST_VALUE else text) or "nothing"


def _tenant(now: Entry, wanted: Entry, *, prune: bool) -> Iterator[Difference]:
    changed = dict(_changes(now, wanted, [name for name in wanted if name not in {"categories", "ai_budget"}]))
    if changed:
        told = {name: wanted[name] for name in changed}
        yield Difference("~", "tenant", "; ".join(changed.values()), "settings.manage", "settings", told=told)
    for _name, text in _changes(now, wanted, ("ai_budget",)):
        told = {"budget": wanted["ai_budget"]}
        yield Difference("~", "tenant", text, "settings.manage", "tenant_budget", told=told, order=70)
    there = now["categories"]
    given: Any = wanted.get("categories", there)
    for name in given:
        if name not in there:
            yield Difference("+", f"category {name}", "", "settings.manage", "add_category", (name,), order=1)
    if prune:
        for name in there:
            if name not in given:
                yield Difference("-", f"category {name}", "", "settings.manage", "remove_category", (name,), order=95)


def _members(now: Description, wanted: Description, *, prune: bool) -> Iterator[Difference]:
    there = {each["email"]: each for each in now["members"]}
    own_teams = {each["name"] for each in now["teams"]}
    for each in wanted["members"]:
        email, what = each["email"], f"member {each['email']}"
        was = there.get(email)
        if was is None:
            if email in now["invited"]:
                yield Difference("!", what, "is invited, and has not accepted yet", "members.manage", "wait")
                continue
            roles = [*each.get("roles", []), *each.get("custom_roles", [])]
            # An invitation brings one team; the others follow once they are a member.
            team = next((name for name in each.get("teams", []) if name in own_teams), None)
            told = {"roles": each.get("roles", []), "custom_roles": each.get("custom_roles", []), "team": team}
            yield Difference("+", what, f"invited as {_shown(roles)}", "members.manage", "invite", (email,), told, order=10)
            continue
        changed = dict(_changes(was, each, ("roles", "custom_roles")))
        if changed:
            told = {name: each.get(name, was[name]) for name in ("roles", "custom_roles")}
            yield Difference("~", what, "; ".join(changed.values()), "members.manage", "change_roles", (email,), told, order=20)
        for team in sorted(set(each.get("teams", was["teams"])) - set(was["teams"])):
            yield Difference("~", what, f"joins {team}", "members.manage", "join_team", (team, email), order=30)
        for team in sorted(set(was["teams"]) - set(each.get("teams", was["teams"]))):
            yield Difference("~", what, f"leaves {team}", "members.manage", "leave_team", (team, email), order=34)
    if prune:
        named = {each["email"] for each in wanted["members"]}
        kept = _after_applications(now, wanted, prune=prune)
        for email in there:
            if email not in named:
                owned = sorted(each["name"] for each in kept if each.get("owner") == email)
                blocked = f"{email} has applications; give them to somebody first: {', '.join(owned[:3])}." if owned else ""
                yield Difference("-", f"member {email}", "", "members.manage", "remove_member", (email,), order=97, blocked=blocked)


def _teams(now: list[Entry], wanted: list[Entry], *, prune: bool) -> Iterator[Difference]:
    there = {each["name"].lower(): each for each in now}
    for each in wanted:
        was, what = there.get(each["name"].lower()), f"team {each['name']}"
        if was is None:
            told = {"description": each.get("description", ""), "lead": each["lead"]}
            yield Difference("+", what, f"led by {each['lead']}", "members.manage", "create_team", (each["name"],), told, order=25)
            continue
        changed = dict(_changes(was, each, ("name", "description")))
        if changed:
            told = {name: each[name] for name in changed}
            yield Difference("~", what, "; ".join(changed.values()), "members.manage", "change_team", (was["name"],), told, order=24)
        if each.get("lead", was["lead"]) != was["lead"]:
            text = f"lead {was['lead']} -> {each['lead']}"
            yield Difference("~", what, text, "members.manage", "change_lead", (each["name"], each["lead"]), order=32)
    if prune:
        named = {each["name"].lower() for each in wanted}
        for lower, each in there.items():
            if lower not in named:
                yield Difference("-", f"team {each['name']}", "", "members.manage", "delete_team", (each["name"],), order=96)


def _aliases(now: list[Entry], wanted: list[Entry], *, prune: bool) -> Iterator[Difference]:
    there = {each["name"]: each["targets"] for each in now}
    for each in wanted:
        what, told = f"alias {each['name']}", {"targets": each["targets"]}
        if each["name"] not in there:
            yield Difference("+", what, _shown(each["targets"]), _PROVIDERS, "create_alias", (each["name"],), told, order=38)
        elif each["targets"] != there[each["name"]]:
            text = f"targets {_shown(there[each['name']])} -> {_shown(each['targets'])}"
            yield Difference("~", what, text, _PROVIDERS, "change_alias", (each["name"],), told, order=38)
    if prune:
        named = {each["name"] for each in wanted}
        for name in there:
            if name not in named:
                yield Difference("-", f"alias {name}", "", _PROVIDERS, "delete_alias", (name,), order=98)


def _apis(now: list[Entry], wanted: list[Entry], *, prune: bool) -> Iterator[Difference]:
    there = {each["slug"]: each for each in now}
    for each in wanted:
        slug, was = each["slug"], there.get(each["slug"])
        if was is None:
            told = {name: each.get(name, "") for name in ("name", "description")} | ({"kind": each["kind"]} if is_ai(each) else {})
            was = {**EMPTY_API, "slug": slug, **told}
            yield Difference("+", f"api {slug}", "", "apis.publish", "create_api", (slug,), told, order=40)
        yield from _api(was, each, prune=prune)
    if prune:
        named = {each["slug"] for each in wanted}
        for slug, was in there.items():
            if slug not in named:
                yield from _api(was, {"slug": slug, "plans": [], "versions": []}, prune=True)


# What one action changes.
_GROUPS = {
    "change_api": ("name", "description", "cors_origins"),
    "place": ("category", "tags", "visibility", "teams"),
    "give_api": ("team",),
    "policies": ("policies",),
}


def _api(was: Entry, now: Entry, *, prune: bool) -> Iterator[Difference]:
    slug = was["slug"]
    for verb, names in _GROUPS.items():
        changed = dict(_changes(was, now, names))
        if changed:
            told = {name: now[name] for name in changed}
            if verb == "place" and now.get("visibility", was["visibility"]) == "teams":
                told["teams"] = now.get("teams", was["teams"])
            yield Difference("~", f"api {slug}", "; ".join(changed.values()), "apis.publish", verb, (slug,), told, order=45)
    for _name, text in _changes(was, now, ("needs_review",)):
        needed = now["needs_review"]
        # Off before revisions are made, on after: those of this description are what is asked for.
        order = 52 if needed else 42
        yield Difference("~", f"api {slug}", text, "settings.manage", "needs_review", (slug,), {"needed": needed}, order)
    if text := _offer(was.get("offer") or {}, now.get("offer")):
        blocked = _REVIEWED if was["needs_review"] and now.get("needs_review", True) else ""
        told = {"offer": now["offer"]}
        # Plans include models that are offered, and open it after that.
        yield Difference("~", f"api {slug}", f"offers {text}, goes live", "apis.publish", "offer", (slug,), told, 44, blocked)
    yield from _plans(slug, was, now, prune=prune)
    yield from _versions(slug, was, now, prune=prune)


def is_ai(api: Mapping[str, Any]) -> bool:
    return api.get("kind") == "ai"


def _offer(was: Mapping[str, Any], now: Mapping[str, Any] | None) -> str:
    """What differs in what an AI API offers; "" if nothing, or where nothing is said of it."""
    if now is None or was == now:
        return ""
    come, go = (
        [each for each in left.get("models", ()) if each not in right.get("models", ())] for left, right in ((now, was), (was, now))
    )
    said = [*(f"+ {each}" for each in come), *(f"- {each}" for each in go)]
    said += [f"other {name}" for name in ("prompts", "rails") if was.get(name) != now[name] and (was or now[name])]
    return _shown(said) if said else "the same in another order"


def _plans(slug: str, was: Entry, now: Entry, *, prune: bool) -> Iterator[Difference]:
    if "plans" not in now:
        return
    there = {each["name"]: each for each in was["plans"]}
    for each in now["plans"]:
        at, what = (slug, each["name"]), f"plan {slug}/{each['name']}"
        old = there.get(each["name"])
        if old is None:
            old = {"approval": "manual", **each, "status": "staging", "reason": ""}
            told = {name: old[name] for name in ("calls", "seconds", *_TERMS) if name in old}
            yield Difference("+", what, f"{old['calls']} calls in {old['seconds']} s", "apis.publish", "create_plan", at, told, order=46)
        else:
            changed = dict(_changes(old, each, ("calls", "seconds", *_TERMS)))
            if changed:
                told = {name: each[name] for name in changed}
                yield Difference("~", what, "; ".join(changed.values()), "apis.publish", "change_plan", at, told, order=46)
        yield from _steps(_OFFERED, old, each, what=what, noun="plan", at=at, first=47)
    if prune:
        named = {each["name"] for each in now["plans"]}
        for name in there:
            if name not in named:
                yield Difference("-", f"plan {slug}/{name}", "closed", "apis.publish", "close_plan", (slug, name), order=90)


def _steps(
    ways: Mapping[tuple[str, str], tuple[str, ...]], old: Entry, new: Entry, *, what: str, noun: str, at: tuple[str, ...], first: int
) -> Iterator[Difference]:
    was, to = str(old["status"]), str(new.get("status", old["status"]))
    if was == to:
        return
    way = ways.get((was, to))
    if way is None:
        blocked = f"It is {was}, from where nothing leads to {to}."
        yield Difference("~", what, f"{was} -> {to}", "apis.publish", "wait", order=first, blocked=blocked)
        return
    told = {name: new.get(name) or "" for name in ("reason", "sunset", "successor")}
    blocked = "" if told["reason"] or not set(way) & {"block", "deprecate"} or noun == "plan" else "Say why, as its reason."
    for verb in way:
        order = 80 if verb in _CLOSING else first
        yield Difference("~", what, _SAID[verb], "apis.publish", f"{verb}_{noun}", at, told, order, blocked if verb in _CLOSING else "")


def _versions(slug: str, was: Entry, now: Entry, *, prune: bool) -> Iterator[Difference]:
    if "versions" not in now:
        return
    there = {each["name"]: each for each in was["versions"]}
    for each in now["versions"]:
        at, what = (slug, each["name"]), f"version {slug}/{each['name']}"
        old = there.get(each["name"])
        if old is None:
            old = {"status": "created", "reason": "", "sunset": None, "successor": ""}
            yield Difference("+", what, "", "apis.publish", "add_version", at, order=43 if is_ai(was) else 48)
        if text := _revision(old, each):
            reviewed = was["needs_review"] and now.get("needs_review", True) and each.get("status", old["status"]) != "created"
            blocked = _REVIEWED if reviewed else ""
            yield Difference("~", what, f"{text}, goes live", "apis.publish", "revise", at, order=49, blocked=blocked)
        yield from _steps(_OPENED, old, each, what=what, noun="version", at=at, first=50)
        if each.get("tools", old.get("tools", [])) != old.get("tools", []):
            text = f"tools for agents: {_shown([tool['name'] for tool in each['tools']])}"
            yield Difference("~", what, text, "apis.publish", "tools", at, {"tools": each["tools"]}, order=51)
        if old["status"] == each.get("status", old["status"]) == "deprecated":
            for name, text in _changes(old, each, ("sunset", "successor")):
                blocked = "" if name == "sunset" else "The successor of what is deprecated stays."
                told = {"sunset": each["sunset"]} if name == "sunset" else {}
                yield Difference("~", what, text, "apis.publish", "change_sunset", at, told, 81, blocked)
    if prune:
        named = {each["name"] for each in now["versions"]}
        for name, old in there.items():
            if name not in named:
                for verb in _RETIRED.get(old["status"], ("retire",)):
                    told = {"reason": "It is described no more.", "sunset": None, "successor": ""}
                    what = f"version {slug}/{name}"
                    yield Difference("-", what, _SAID[verb], "apis.publish", f"{verb}_version", (slug, name), told, order=82)


def _revision(old: Entry, new: Entry) -> str:
    """What another revision changes; "" where none is needed."""
    changed = []
    if "document" in new and new["document"] != old.get("document"):
        changed.append("document")
    mock, was_mock = bool(new.get("mock")), bool(old.get("mock"))
    if mock != was_mock and ("mock" in new or "upstream" in new):
        changed.append("mock" if mock else "upstream in place of a mock")
    elif "upstream" in new and new["upstream"] != old.get("upstream"):
        was, now = old.get("upstream") or {}, new["upstream"]
        names = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
        changed.append(f"upstream ({', '.join(names)})" if was else "upstream")
    return f"new revision: {', '.join(changed)}" if changed else ""


def _applications(now: list[Entry], wanted: list[Entry], *, prune: bool) -> Iterator[Difference]:
    there = {key_of(each): each for each in now}
    for each in wanted:
        key, was = key_of(each), there.get(key_of(each))
        what = application_called(key)
        if was is None:
            told = {name: each.get(name, "") for name in ("purpose", "contact")} | {"environment": each.get("environment", "live")}
            yield Difference("+", what, told["environment"], "applications.own", "register", key, told, order=60)
            was = {**told, "status": "active"}
        changed = dict(_changes(was, each, ("purpose", "contact")))
        if changed:
            told = {name: each[name] for name in changed}
            yield Difference("~", what, "; ".join(changed.values()), "applications.own", "change_application", key, told, order=62)
        for _name, text in _changes(was, each, ("environment",)):
            yield Difference("~", what, text, "applications.own", "wait", key, blocked="The environment stays as it was registered.")
        to = each.get("status", was["status"])
        if to != was["status"]:
            suspends = to == "suspended"
            blocked = "Say why, as its reason." if suspends and not each.get("reason") else ""
            verb, order = ("suspend_application", 92) if suspends else ("resume_application", 61)
            told = {"reason": each.get("reason", "")}
            yield Difference("~", what, f"{was['status']} -> {to}", "tenant.see", verb, key, told, order, blocked)
    if prune:
        named = {key_of(each) for each in wanted}
        for key in there:
            if key not in named:
                yield Difference("-", application_called(key), "deleted", "tenant.see", "delete_application", key, order=93)


def application_called(key: Key) -> str:
    return f"application {key[0]} of {key[1]}"


def _subscriptions(now: Description, wanted: Description, *, prune: bool) -> Iterator[Difference]:
    there = {(key_of(each, "application"), each["api"]): each for each in now["subscriptions"]}
    own, mine, first_missing = set(now["own_requests"]), set(now["mine"]), set(now["first_missing"])
    two = {
        (api["slug"], plan["name"]) for api in _known(now, wanted) for plan in api.get("plans", ()) if plan.get("approval") == "two_people"
    }
    named = set()
    for each in wanted["subscriptions"]:
        at = (key_of(each, "application"), each["api"])
        named.add(at)
        was, what = there.get(at), f"subscription {at[0][0]} to {at[1]}"
        to = each.get("status", "active")
        if was is not None and each["plan"] != was["plan"]:
            blocked = "" if prune else "Another plan ends this subscription and asks anew; that takes --prune."
            yield Difference("-", what, f"under {was['plan']}, cancelled", _DECIDE, "cancel", at, order=64, blocked=blocked)
            was = None
        if was is None:
            told = {"plan": each["plan"], "purpose": each.get("purpose") or "Described.", "to": to, "reason": each.get("reason", "")}
            if to != "pending" and at[0][1] not in mine and (at[1], each["plan"]) not in two:
                yield Difference("+", what, f"under {each['plan']}, added", _DECIDE, "add", at, told, 65, _unsaid(to, told))
                continue
            text = f"under {each['plan']}, asked for"
            if to != "pending":
                text += "; somebody else has to approve it, unless the plan or a rule approves by itself"
            yield Difference("+", what, text, _DECIDE, "request", at, told, order=65)
            continue
        yield from _decisions(was, each, to, at, own=_name(at) in own, first=_name(at) in first_missing)
    if prune:
        for at, was in there.items():
            if at not in named:
                text = f"under {was['plan']}, cancelled"
                yield Difference("-", f"subscription {at[0][0]} to {at[1]}", text, _DECIDE, "cancel", at, order=64)


_DECIDE = "subscriptions.decide"


def _name(at: tuple[Key, str]) -> tuple[str, str, str]:
    return (*at[0], at[1])


def _known(now: Description, wanted: Description) -> Iterator[Entry]:
    yield from now["apis"]
    yield from wanted.get("apis", ())


def _unsaid(to: str, told: Mapping[str, Any]) -> str:
    return "Say why, as its reason." if to == "suspended" and not told["reason"] else ""


def _decisions(was: Entry, each: Entry, to: str, at: tuple[Key, str], *, own: bool, first: bool) -> Iterator[Difference]:
    """What becomes of a subscription under the same plan. That it is pending asks for nothing more than that it was asked for.

    :param own: whoever applies it can't decide it. :param first: it needs two people, of whom none has approved it.
    """
    told, what = {"reason": each.get("reason", "")}, f"subscription {at[0][0]} to {at[1]}"
    if was["status"] == "pending" and to != "pending":
        if own:
            text = "waits for another approver: nobody decides a request of their own, nor the same one twice"
            yield Difference("!", what, text, _DECIDE, "wait", at)
            return
        if first:
            yield Difference("~", what, "approved, as the first of two people", _DECIDE, "approve_first", at, order=66)
            return
        yield Difference("~", what, "approved", _DECIDE, "approve", at, order=66)
    if was["status"] == "suspended" and to == "active":
        if own:
            yield Difference("!", what, "waits for another approver: nobody resumes their own", _DECIDE, "wait", at)
            return
        yield Difference("~", what, "resumed", _DECIDE, "resume", at, order=66)
    if to == "suspended" and was["status"] != "suspended":
        yield Difference("~", what, "suspended", _DECIDE, "suspend", at, told, 67, _unsaid(to, told))


def _after_applications(now: Description, wanted: Description, *, prune: bool) -> list[Entry]:
    if not (prune and "applications" in wanted):
        return list(now["applications"])
    named = {key_of(each) for each in wanted["applications"]}
    return [each for each in now["applications"] if key_of(each) in named]
