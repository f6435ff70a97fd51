"""How limits are divided among gateways, in words, for who may see gateways."""

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gateway import desired
from gateway.envoy.limits import share
from tenants.access import TenantRequest


def divided(request: TenantRequest, limit: str, *, at_once: int) -> str:
    """“100 calls a minute, over 3 gateways: 34 calls at once at each.”; "" where nothing is divided, or not for this person to see.

    :param limit: in words. :param at_once: how many calls of it may come at once.
    """
    gateways = _gateways(request)
    if gateways < 2 or not at_once:
        return ""
    each = share(at_once, gateways)
    said = ngettext(
        "%(limit)s, over %(gateways)s gateways: %(each)s call at once at each.",
        "%(limit)s, over %(gateways)s gateways: %(each)s calls at once at each.",
        each,
    )
    return said % {"limit": limit, "gateways": gateways, "each": number_format(each, force_grouping=True)}


def in_general(request: TenantRequest) -> str:
    """That every limit is divided, and among how many."""
    gateways = _gateways(request)
    if gateways < 2:
        return ""
    return _("Each limit is divided among the %(gateways)s gateways that are connected, in equal shares.") % {"gateways": gateways}


def _gateways(request: TenantRequest) -> int:
    return desired.gateways_connected() if "gateways.see" in request.permissions else 1
