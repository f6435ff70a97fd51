"""Two revisions, compared: their documents, where their calls go, and what an AI API offers."""

from collections import OrderedDict
from datetime import date
from threading import Lock
from typing import TypeAlias
from uuid import UUID

from django.db.models import Q
from django.db.models.fields.json import KeyTransform
from django.utils import timezone
from django.utils.translation import get_language, gettext

from apis.ai.offer import Offer
from apis.differences import Differences, differences, offer_changes, target_changes
from apis.models import Comparison, Revision
from apis.models.logged_change import of_json

# Two documents, the day that tells sunsets that have come, and the language of the sentences.
Key: TypeAlias = tuple[UUID | None, UUID, date, str | None]

# A page, its question and REST ask for the same within minutes, and of large documents it takes seconds. So many
# comparisons are kept, of at most so many characters: 40 MB of a process, if somebody means to fill it.
KEPT = 8
CHARACTERS = 2_000_000


class _Kept:
    """What was found last. Documents of revisions never change, so it stays true."""

    def __init__(self) -> None:
        self.found: OrderedDict[Key, Differences] = OrderedDict()
        self.lock = Lock()

    def get(self, key: Key) -> Differences | None:
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
            return self.found.get(key)

    def put(self, key: Key, found: Differences) -> None:
        if sum(len(each.text) for each in found.changes) > CHARACTERS:
            return
        with self.lock:
            self.found[key] = found
            while len(self.found) > KEPT:
                self.found.popitem(last=False)


_kept = _Kept()


def compared(old: Revision | None, new: Revision) -> Differences:
    """What changes for callers if the one takes the other's place; from None, all is new. In the reader's language.

    Both are such as the reader may see. Their documents are read only if it is not known yet, so they can be deferred.
    """
    key = (old.pk if old else None, new.pk, timezone.now().date(), get_language())
    found = _kept.get(key)
    if found is None:
        found = _stored(*key) if old else None
        if found is None:
            found = differences(old.document if old else None, new.document, today=key[2], gettext=gettext)
        _kept.put(key, found)
    if old is None:
        return found
    offers = [Offer.of(each.ai) if each.ai is not None else None for each in (old, new)]
    return found.and_then(target_changes(old.upstream, new.upstream, gettext=gettext)).and_then(offer_changes(*offers, gettext=gettext))


def _stored(old: UUID | None, new: UUID, day: date, language: str | None) -> Differences | None:
    """What a job has found, of large documents."""
    rows = Comparison.objects.filter(Q(day=None) | Q(day=day), old=old, new=new)
    said = rows.values_list(KeyTransform(language, "said"), flat=True).first()
    return Differences(tuple(map(of_json, said))) if said is not None else None
