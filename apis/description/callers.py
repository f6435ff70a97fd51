"""Who can call, and who can't any more: by their subscriptions, as gateways are told."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from apis.description import AI_VERSION, Description, Difference, Entry, Key, key_of, whose

# An application, the slug of an API, and the name of a version.
Call: TypeAlias = tuple[Key, str, str]
CALLABLE = ("prerelease", "published", "deprecated")


def who_can_call(of: Description) -> set[Call]:
    """By their subscriptions, as gateways are told. Whether an application has a credential is its own business."""
    open_versions = {
        each["slug"]: [version["name"] for version in each["versions"] if version["status"] in CALLABLE and "live" in version]
        for each in of["apis"]
    }
    active = {key_of(each) for each in of["applications"] if each["status"] == "active"}
    found = set()
    for each in of["subscriptions"]:
        key = key_of(each, "application")
        if each["status"] == "active" and key in active:
            found |= {(key, each["api"], version) for version in open_versions.get(each["api"], ())}
    return found


def after(now: Description, wanted: Description, found: Iterable[Difference]) -> Description:
    """As far as `who_can_call` looks at it: what the tenant is once all of `found` is done."""
    versions = {(api["slug"], each["name"]): {**each} for api in now["apis"] for each in api["versions"]}
    plans = {(api["slug"], each["name"]): each for api in (*now["apis"], *wanted.get("apis", ())) for each in api.get("plans", ())}
    applications = {key_of(each): {**each} for each in now["applications"]}
    subscriptions = {(key_of(each, "application"), each["api"]): {**each} for each in now["subscriptions"]}
    for each in found:
        _step(each, versions, applications, subscriptions, plans)
    apis: dict[str, Entry] = {}
    for (slug, _), version in versions.items():
        apis.setdefault(slug, {"slug": slug, "versions": []})["versions"].append(version)
    return {"apis": list(apis.values()), "applications": list(applications.values()), "subscriptions": list(subscriptions.values())}


_LEADS_TO = {
    "publish_version": "published", "unblock_version": "published", "reinstate_version": "published", "prerelease_version": "prerelease",
    "block_version": "blocked", "deprecate_version": "deprecated", "retire_version": "retired",
    "approve": "active", "resume": "active", "suspend": "suspended", "suspend_application": "suspended", "resume_application": "active",
}  # fmt: skip


def _step(each: Difference, versions: Any, applications: Any, subscriptions: Any, plans: Any) -> None:  # noqa: PLR0912  (a table)
    to = _LEADS_TO.get(each.verb)
    match each.verb:
        case "add_version":
            versions[each.at] = {"name": each.at[1], "status": "created"}
        case "revise":
            versions[each.at]["live"] = True
        case "offer":
            versions[each.at[0], AI_VERSION]["live"] = True
        case "register":
            applications[each.at] = {"name": each.at[0], **whose(each.at), "status": "active"}
        case "delete_application":
            del applications[each.at]
            for at in [at for at in subscriptions if at[0] == each.at]:
                del subscriptions[at]
        case "close_plan":
            for at in [at for at, sub in subscriptions.items() if (at[1], sub["plan"]) == each.at]:
                del subscriptions[at]
        case "cancel":
            subscriptions.pop(each.at, None)
        case "request" | "add":
            automatic = plans.get((each.at[1], each.told["plan"]), {}).get("approval") == "automatic"
            status = each.told["to"] if automatic or each.verb == "add" else "pending"
            (name, _owner), api = each.at
            told = {"application": name, **whose(each.at[0]), "api": api, "plan": each.told["plan"]}
            subscriptions[each.at] = {**told, "status": status}
        case _ if to is None:
            pass
        case verb if verb.endswith("_version"):
            versions[each.at]["status"] = to
        case verb if verb.endswith("_application"):
            applications[each.at]["status"] = to
        case _:
            subscriptions[each.at]["status"] = to


def losses(before: set[Call], then: set[Call]) -> list[Entry]:
    """Who can't call any more, and what: one entry per application, by its name."""
    lost: dict[Key, list[str]] = {}
    for key, api, version in sorted(before - then):
        lost.setdefault(key, []).append(f"{api} {version}")
    return [{"application": key[0], "whose": key[1].removeprefix("team "), "calls": calls} for key, calls in lost.items()]
