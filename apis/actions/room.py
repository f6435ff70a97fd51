"""How much of a tenant its gateways hold: routes, and answers of mocks."""

from django.db.models import Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast, Length
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.models import ApiVersion, Operation, Revision
from tenants import limits
from tenants.errors import NotAllowed


def for_callers(revision: Revision) -> None:
    """Whether gateways can take it in the place of what is live in its version.

    :raises NotAllowed: they had more of this tenant than they may.
    """
    _room_for(revision, beside=ApiVersion.objects.offered().exclude(pk=revision.version_id))


def for_a_test(revision: Revision) -> None:
    """Whether gateways can take it beside all that is live.

    :raises NotAllowed: they had more of this tenant than they may.
    """
    if Revision.objects.open_for_tests().exclude(pk=revision.pk).count() >= limits.TESTS:
        said = _("There are %(most)s revisions open for tests here, which is as many as may be at once; close one first.")
        raise NotAllowed(said % {"most": number_format(limits.TESTS, force_grouping=True)})
    _room_for(revision, beside=ApiVersion.objects.offered())


def _room_for(revision: Revision, *, beside: QuerySet[ApiVersion]) -> None:
    tested = Revision.objects.open_for_tests()
    held = Q(pk__in=beside.values("live_revision")) | Q(pk__in=tested.values("pk"))
    others_held = Revision.objects.filter(held).exclude(pk=revision.pk)
    others = Operation.objects.filter(revision__in=others_held.values("pk")).count()
    own = Operation.objects.filter(revision=revision).count()
    if others + own > limits.LIVE_OPERATIONS:
        said = _("Revision %(number)s has %(own)s operations, and %(others)s of this tenant are live; together at most %(most)s may be.")
        counts = {"own": own, "others": others, "most": limits.LIVE_OPERATIONS}
        shown = {name: number_format(count, force_grouping=True) for name, count in counts.items()}
        raise NotAllowed(said % {"number": revision.number, **shown})
    if revision.is_mock:
        _room_for_answers(revision, others_held)


def _room_for_answers(revision: Revision, others: QuerySet[Revision]) -> None:
    rows = Revision.objects.filter(Q(pk=revision.pk) | Q(pk__in=others.values("pk"), upstream=None))
    characters = rows.aggregate(all=Sum(Length(Cast("answers", TextField()))))["all"]
    if characters > limits.MOCK_CHARACTERS:
        said = _("With revision %(number)s the mocks of this tenant had more than %(most)s characters of examples together.")
        shown = number_format(limits.MOCK_CHARACTERS, force_grouping=True)
        raise NotAllowed(said % {"number": revision.number, "most": shown})
