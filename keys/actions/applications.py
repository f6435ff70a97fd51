"""What happens to applications."""

from django.db import transaction
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from keys.models import Application
from keys.secrets import new_client_id
from tenants import events, limits
from tenants.errors import NotAllowed
from tenants.models import User


@transaction.atomic
def register_application(*, name: str, purpose: str, environment: str, by: User) -> Application:
    events.lock()
    if Application.objects.filter(owner=by, name=name).exists():
        raise NotAllowed(_("You have an application called “%(name)s” already.") % {"name": name})
    if Application.objects.filter(owner=by).count() >= limits.APPLICATIONS_PER_PERSON:
        said = _("You have %(most)s applications here, which is as many as one person may have.")
        raise NotAllowed(said % {"most": number_format(limits.APPLICATIONS_PER_PERSON, force_grouping=True)})
    application = Application.objects.create(name=name, purpose=purpose, environment=environment, owner=by, client_id=new_client_id())
    events.record("application.created", application, by=by, purpose=purpose, environment=environment)
    return application
