"""The rules on documents: what a tenant makes of them, and what they make of a revision."""

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis.lint.rules import RULES, Choice
from apis.lint.standing import Broken, Spot, broken
from apis.models import LintRule, Revision
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Tenant, User
from tenants.scope import current_tenant_id

# So many findings of a rule, and so many rules, are told where a revision is refused.
NAMED = 3


@transaction.atomic
def change_rules(given: Mapping[str, str], *, by: User | None) -> Event | None:
    """Choose what is given, by the id of a rule, and leave the others; None if all of it is so already.

    :raises Invalid: by the id of a rule, where there is none or no such choice.
    """
    events.lock()
    problems = {rule: _problem(rule, choice) for rule, choice in given.items()}
    if wrong := {rule: [said] for rule, said in problems.items() if said}:
        raise Invalid(wrong)
    was = LintRule.objects.chosen()
    now = {rule: Choice(choice) for rule, choice in given.items() if choice != was[rule]}
    if not now:
        return None
    LintRule.objects.filter(rule__in=now).delete()
    LintRule.objects.bulk_create(
        LintRule(rule=rule, choice=choice) for rule, choice in sorted(now.items()) if choice != RULES[rule].unless_chosen
    )
    tenant = Tenant.objects.get(pk=current_tenant_id())
    return events.record("lint.changed", tenant, by=by, was={rule: was[rule] for rule in now}, now=now)


def _problem(rule: str, choice: str) -> str:
    if rule not in RULES:
        return _("There is no such rule.")
    return "" if choice in list(Choice) else _("Choose from %(choices)s.") % {"choices": ", ".join(Choice)}


def hold_to_rules(revision: Revision) -> None:
    """Of rules that block publishing. Under the lock.

    :raises NotAllowed: it breaks one, or was imported before there was one.
    """
    choices = LintRule.objects.chosen()
    blocking = {rule for rule, choice in choices.items() if choice is Choice.BLOCKS}
    if not blocking:
        return
    found = revision.found
    if found is None or not blocking <= found.counts.keys():
        said = _("Revision %(number)s was imported before there was a rule that blocks publishing now. Import it again.")
        raise NotAllowed(said % {"number": revision.number})
    told = [each for each in broken(found, choices, gettext=_) if each.blocks]
    if not told:
        return
    more = len(told) - NAMED
    sentences = [_("Revision %(number)s breaks rules that block publishing.") % {"number": revision.number}, *map(_said, told[:NAMED])]
    if more > 0:
        sentences.append(ngettext("%(many)s more rule is broken.", "%(many)s more rules are broken.", more) % {"many": more})
    raise NotAllowed(" ".join(sentences))


def _said(each: Broken) -> str:
    spots = " ".join(map(_place, each.spots[:NAMED]))
    more = each.found - NAMED
    if more > 0:
        spots += " " + ngettext("And %(many)s more.", "And %(many)s more.", more) % {"many": more}
    return f"“{each.title}” ({each.rule.id}): {spots}"


def _place(spot: Spot) -> str:
    if spot.line:
        return _("Line %(line)s: %(sentence)s") % {"line": spot.line, "sentence": spot.sentence}
    return f"{spot.sentence} ({spot.pointer})"
