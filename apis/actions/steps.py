"""One difference of a description, done: which action it is, and on what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.utils.translation import gettext as _

from apis.actions import (
    adding,
    ai_apis,
    aliases,
    applications,
    approval_rules,
    budgets,
    catalogue,
    gate,
    mcp_servers,
    plans,
    policies,
    publishing,
    reviews,
    subscriptions,
    teams,
    two_people,
    versions,
)
from apis.ai.offer import Offer
from apis.budgets import read
from apis.description import AI_VERSION, Difference, Key
from apis.models import Api, ApiVersion, Category, ModelAlias, Plan, Revision, Subscription
from apis.openapi import Document
from apis.policies import SETTING, Policies
from keys.actions import application_life, leaving
from keys.actions.applications import change_lead, register_application, transfer
from keys.models import Application
from tenants.errors import Invalid, NotAllowed
from tenants.models import CustomRole, Membership, Team, TeamMember, User
from tenants.people import invitations, members, settings
from tenants.people import teams as people_teams


@dataclass(frozen=True, slots=True)
class Made:
    """What a revision is made of: None for the live one's document; None for a mock, in place of a target."""

    document: Document | None
    target: publishing.Target | None
    mock: bool


Makings: TypeAlias = Mapping[tuple[Any, ...], Made]


@dataclass(slots=True)
class Work:
    """Who does it. Runs under the lock."""

    by: User
    made: Makings
    breaking: str = ""

    def do(self, each: Difference) -> None:
        """
        :raises NotAllowed: a rule says no. :raises Invalid: something can't be used; either says what it is about.
        """
        step: Callable[[Difference], Any] = getattr(self, f"_{each.verb}")
        try:
            step(each)
        except NotAllowed as refused:
            raise NotAllowed(f"{each.what[:1].upper()}{each.what[1:]}: {refused}") from refused
        except Invalid as refused:
            raise Invalid({f"{each.what}: {name}" if name else each.what: said for name, said in refused.problems.items()}) from refused

    # --- the tenant ---

    def _settings(self, each: Difference) -> None:
        settings.change_settings(dict(each.told), by=self.by)

    def _add_category(self, each: Difference) -> None:
        catalogue.change_categories(dict(Category.objects.values_list("pk", "name")), new=[each.at[0]], by=self.by)

    def _remove_category(self, each: Difference) -> None:
        catalogue.change_categories(dict(Category.objects.exclude(name=each.at[0]).values_list("pk", "name")), by=self.by)

    def _tenant_budget(self, each: Difference) -> None:
        given = _terms({"budget": each.told["budget"]})
        budgets.set_tenants(given={name.removeprefix("budget_"): value for name, value in given.items()}, by=self.by)

    def _create_alias(self, each: Difference) -> None:
        aliases.create(name=each.at[0], targets=_targets(each), by=self.by)

    def _change_alias(self, each: Difference) -> None:
        aliases.change(ModelAlias.objects.get(name=each.at[0]), targets=_targets(each), by=self.by)

    def _delete_alias(self, each: Difference) -> None:
        aliases.delete(ModelAlias.objects.get(name=each.at[0]), by=self.by)

    # --- people ---

    def _invite(self, each: Difference) -> None:
        team = each.told["team"]
        roles, own = each.told["roles"], self._custom_roles(each.told["custom_roles"])
        invitations.invite([each.at[0]], roles=roles, custom_roles=own, team=_team(team) if team else None, by=self.by)

    def _change_roles(self, each: Difference) -> None:
        own = self._custom_roles(each.told["custom_roles"])
        members.change_roles(_member(each.at[0]), roles=each.told["roles"], custom_roles=own, by=self.by)

    def _custom_roles(self, names: list[str]) -> list[UUID]:
        return list(CustomRole.objects.filter(name__in=names).values_list("pk", flat=True)) if names else []

    def _remove_member(self, each: Difference) -> None:
        leaving.remove(_member(each.at[0]), by=self.by)

    def _create_team(self, each: Difference) -> None:
        lead = _member(each.told["lead"])
        people_teams.create_team(name=each.at[0], description=each.told["description"], lead=lead, by=self.by)

    def _change_team(self, each: Difference) -> None:
        people_teams.change_team(_team(each.at[0]), **each.told, by=self.by)

    def _change_lead(self, each: Difference) -> None:
        change_lead(_team(each.at[0]), to=_member(each.at[1]), by=self.by)

    def _join_team(self, each: Difference) -> None:
        team, member = _team(each.at[0]), _member(each.at[1])
        # Who leads a team that was just made is in it.
        if not TeamMember.objects.filter(team=team, membership=member).exists():
            people_teams.add_to_team(team, member, by=self.by)

    def _leave_team(self, each: Difference) -> None:
        people_teams.remove_from_team(_team(each.at[0]), _member(each.at[1]), by=self.by)

    def _delete_team(self, each: Difference) -> None:
        people_teams.delete_team(_team(each.at[0]), by=self.by)

    # --- APIs ---

    def _create_api(self, each: Difference) -> None:
        publishing.create_api(slug=each.at[0], **each.told, by=self.by)

    def _change_api(self, each: Difference) -> None:
        publishing.change_api(_api(each), **each.told, by=self.by)

    def _place(self, each: Difference) -> None:
        told = dict(each.told)
        if "category" in told:
            told["category"] = Category.objects.get(name=told["category"]) if told["category"] else ""
        if "teams" in told:
            told["teams"] = list(Team.objects.filter(name__in=told["teams"]))
        catalogue.place(_api(each), **told, by=self.by)

    def _give_api(self, each: Difference) -> None:
        team = each.told["team"]
        teams.give_api(_api(each), team=_team(team) if team else None, by=self.by)

    def _policies(self, each: Difference) -> None:
        # All of them: what is not named is as it is where nobody has set it.
        policies.change_policies(_api(each), given={**_NO_POLICIES, **each.told["policies"]}, by=self.by)

    def _needs_review(self, each: Difference) -> None:
        change = reviews.ask_for_reviews if each.told["needed"] else reviews.ask_for_no_reviews
        change(_api(each), by=self.by)

    def _offer(self, each: Difference) -> None:
        version = ApiVersion.objects.select_related("api").get(api__slug=each.at[0], name=AI_VERSION)
        wanted, newest = Offer.of(each.told["offer"]), ai_apis.newest_of(version)
        waits = newest is not None and newest.ai is not None and ai_apis.offered(newest) == wanted
        # It may wait already for somebody to make it live.
        revision = newest if waits and newest else ai_apis.offer(version, wanted, by=self.by)
        gate.go_live(revision, override=bool(self.breaking), reason=self.breaking, by=self.by)

    def _tools(self, each: Difference) -> None:
        mcp_servers.put(_version(each), enabled=bool(each.told["tools"]), chosen=each.told["tools"], by=self.by)

    def _create_plan(self, each: Difference) -> None:
        plans.create(_api(each), name=each.at[1], **_terms(each.told), by=self.by)

    def _change_plan(self, each: Difference) -> None:
        plans.change_terms(_plan(each), **_terms(each.told), by=self.by)

    def _publish_plan(self, each: Difference) -> None:
        plans.publish(_plan(each), by=self.by)

    def _deprecate_plan(self, each: Difference) -> None:
        plans.deprecate(_plan(each), reason=each.told["reason"], by=self.by)

    def _reinstate_plan(self, each: Difference) -> None:
        plans.reinstate(_plan(each), by=self.by)

    def _close_plan(self, each: Difference) -> None:
        plans.close(_plan(each), reason="It is described no more.", by=self.by)

    def _add_version(self, each: Difference) -> None:
        publishing.add_version(_api(each), name=each.at[1], by=self.by)

    def _revise(self, each: Difference) -> None:
        version, made = _version(each), self.made[each.at]
        if made.document is None:
            assert version.live_revision_id is not None
            document = publishing.document_of(Revision.objects.get(pk=version.live_revision_id))
        else:
            document = made.document
        target = publishing.answer_from_examples(document) if made.mock else made.target
        assert target is not None
        revision = publishing.add_revision(version, document=document, target=target, by=self.by)
        gate.go_live(revision, override=bool(self.breaking), reason=self.breaking, by=self.by)

    def _prerelease_version(self, each: Difference) -> None:
        publishing.prerelease(_version(each), by=self.by)

    def _publish_version(self, each: Difference) -> None:
        publishing.publish(_version(each), by=self.by)

    def _block_version(self, each: Difference) -> None:
        versions.block(_version(each), reason=each.told["reason"], by=self.by)

    def _unblock_version(self, each: Difference) -> None:
        versions.unblock(_version(each), by=self.by)

    def _deprecate_version(self, each: Difference) -> None:
        version, name = _version(each), each.told["successor"]
        successor = ApiVersion.objects.filter(api=version.api_id, name=name).first() if name else None
        if name and successor is None:
            raise Invalid({"successor": [_("The successor has to be another version of the API that applications may begin with.")]})
        sunset = datetime.fromisoformat(each.told["sunset"]) if each.told["sunset"] else None
        versions.deprecate(version, sunset_at=sunset, successor=successor, reason=each.told["reason"], by=self.by)

    def _change_sunset(self, each: Difference) -> None:
        if not each.told["sunset"]:
            raise Invalid({"sunset": ["What was promised can only go on longer."]})
        versions.change_sunset(_version(each), sunset_at=datetime.fromisoformat(each.told["sunset"]), by=self.by)

    def _reinstate_version(self, each: Difference) -> None:
        versions.reinstate(_version(each), by=self.by)

    def _retire_version(self, each: Difference) -> None:
        versions.retire(_version(each), reason=each.told["reason"], by=self.by)

    # --- applications ---

    def _register(self, each: Difference) -> None:
        name, whose = each.at
        team = _team(whose.removeprefix("team ")) if whose.startswith("team ") else None
        mine = team is not None and Team.objects.of(self.by).filter(pk=team.pk).exists()
        made = register_application(name=name, **each.told, team=team if mine else None, by=self.by)
        if team is None and whose != self.by.email:
            transfer(made, to=_member(whose).user, by=self.by)
        elif team is not None and not mine:
            transfer(made, to=team, by=self.by)

    def _change_application(self, each: Difference) -> None:
        application_life.change_application(_application(each.at), **each.told, by=self.by)

    def _suspend_application(self, each: Difference) -> None:
        application_life.suspend(_application(each.at), reason=each.told["reason"], by=self.by)

    def _resume_application(self, each: Difference) -> None:
        application_life.resume(_application(each.at), by=self.by)

    def _delete_application(self, each: Difference) -> None:
        applications.delete(_application(each.at), reason="It is described no more.", by=self.by)

    # --- subscriptions ---

    def _request(self, each: Difference) -> None:
        key, slug = each.at
        application = _application(key)
        if not (application.belongs_to(self.by) or "members.manage" in members.held_now(self.by)):
            raise NotAllowed(f"{application} belongs to {application.whose}, who alone can ask for it.")
        api = Api.objects.get(slug=slug)
        plan = Plan.objects.get(api=api, name=each.told["plan"])
        found, _event = subscriptions.request(application, api=api, plan=plan, purpose=each.told["purpose"], by=self.by)
        if each.told["to"] == "suspended" and found.status == Subscription.Status.ACTIVE:
            subscriptions.suspend(found, reason=each.told["reason"] or "Described so.", by=self.by)

    def _add(self, each: Difference) -> None:
        key, slug = each.at
        application, plan = _application(key), Plan.objects.select_related("api").get(api__slug=slug, name=each.told["plan"])
        meant = Subscription(application=application, api=plan.api, plan=plan, purpose=each.told["purpose"], requested_by=self.by)
        if two_people.needed(plan, approval_rules.rule_for(meant), application.environment) > 1:
            # Which no difference can see; it waits then.
            self._request(each)
            return
        found, _event = adding.add(application, api=plan.api, plan=plan, reason=each.told["purpose"], by=self.by)
        if each.told["to"] == "suspended":
            subscriptions.suspend(found, reason=each.told["reason"], by=self.by)

    def _approve(self, each: Difference) -> None:
        subscriptions.approve(_subscription(each), by=self.by)

    def _approve_first(self, each: Difference) -> None:
        self._approve(each)

    def _resume(self, each: Difference) -> None:
        subscriptions.resume(_subscription(each), by=self.by)

    def _suspend(self, each: Difference) -> None:
        subscriptions.suspend(_subscription(each), reason=each.told["reason"], by=self.by)

    def _cancel(self, each: Difference) -> None:
        subscriptions.cancel(_subscription(each), reason="It is described no more.", by=self.by)


_NO_POLICIES: dict[str, Any] = {
    each.name: {} if each.name in SETTING else each.default if isinstance(each.default, int) else [] for each in fields(Policies)
}


def _terms(told: Mapping[str, Any]) -> dict[str, Any]:
    """As plans take them: a budget by its parts, with money in millionths."""
    found = dict(told)
    if "budget" in found:
        budget = found.pop("budget") or {"tokens": None, "amount": None}
        found |= {f"budget_{name}": read(value) if name == "amount" and value else value for name, value in budget.items()}
    return found


def _targets(each: Difference) -> list[dict[str, str]]:
    return [dict(zip(("provider", "model"), name.split("/", 1), strict=True)) for name in each.told["targets"]]


def _member(email: str) -> Membership:
    found = Membership.objects.select_related("user").filter(user__email=email).first()
    if found is None:
        raise NotAllowed(_("%(person)s is no member any more.") % {"person": email})
    return found


def _team(name: str) -> Team:
    found: Team = Team.objects.select_related("lead__user").get(name__iexact=name)
    return found


def _api(each: Difference) -> Api:
    found: Api = Api.objects.select_related("category", "team").get(slug=each.at[0])
    return found


def _plan(each: Difference) -> Plan:
    found: Plan = Plan.objects.select_related("api").get(api__slug=each.at[0], name=each.at[1])
    return found


def _version(each: Difference) -> ApiVersion:
    found: ApiVersion = ApiVersion.objects.select_related("api", "successor").get(api__slug=each.at[0], name=each.at[1])
    return found


def _application(key: Key) -> Application:
    name, whose = key
    rows = Application.objects.standing().select_related("owner", "team", "suspended_by").filter(name=name)
    theirs = {"team__name": whose.removeprefix("team ")} if whose.startswith("team ") else {"team": None, "owner__email": whose}
    found: Application | None = rows.filter(**theirs).first()
    if found is None:
        raise NotAllowed(f"There is no application {name} of {whose} any more.")
    return found


def _subscription(each: Difference) -> Subscription:
    key, slug = each.at
    rows = Subscription.objects.open().select_related("application__owner", "application__team", "api", "plan")
    found: Subscription = rows.get(application=_application(key), api__slug=slug)
    return found
