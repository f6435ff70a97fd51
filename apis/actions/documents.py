"""The document of a version for its callers: made once, and kept as long as it is that."""

import gzip
import hashlib
import json
from typing import Any

from django.utils import timezone

from apis.models import ApiVersion, PublishedDocument, Revision
from apis.published import made_from, published
from apis.yaml_text import as_yaml

_Form = PublishedDocument.Form


def document_of(version: ApiVersion, *, form: _Form, address: str, token_url: str) -> PublishedDocument:
    """Without its content, which is read when it is used. Nothing happens to the tenant by it, so there is no lock and no event.

    :param version: with a live revision. The others: see apis.published.
    """
    live = version.live_revision_id
    assert live is not None
    source = made_from(live, address=address, token_url=token_url)
    kept = PublishedDocument.objects.filter(version=version, form=form)
    if found := kept.filter(made_from=source).defer("content").first():
        return found
    # The one of the key, whatever is live by now.
    revision = Revision.objects.only("document", "scopes").get(pk=live)
    content = _written(published(revision.document, address=address, token_url=token_url, scopes=revision.scopes), form).encode()
    made = PublishedDocument(
        version=version,
        form=form,
        made_from=source,
        content=gzip.compress(content, mtime=0),
        sha256=hashlib.sha256(content).hexdigest(),
        made_at=timezone.now(),
    )
    # Others may make the same at once.
    PublishedDocument.objects.bulk_create(
        [made],
        update_conflicts=True,
        unique_fields=["tenant", "version", "form"],
        update_fields=["made_from", "content", "sha256", "made_at"],
    )
    return kept.defer("content").get()


def _written(document: dict[str, Any], form: _Form) -> str:
    return as_yaml(document) if form == _Form.YAML else json.dumps(document, ensure_ascii=False, indent=2)
