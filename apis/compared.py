"""Two revisions, compared: their documents, and where their calls go."""

from django.utils import timezone

from apis.differences import Differences, Translate, differences, target_changes
from apis.models import Revision


def compared(old: Revision | None, new: Revision, *, gettext: Translate) -> Differences:
    """What changes for callers if the one takes the other's place; from None, all is new."""
    found = differences(old.document if old else None, new.document, today=timezone.now().date(), gettext=gettext)
    return found.and_then(target_changes(old.upstream, new.upstream, gettext=gettext)) if old else found
