from allauth.account.views import logout
from csp.decorators import csp_replace
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

import apis.urls
import gateway.urls
import keys.urls
import portal.pages.urls
import tenants.urls
from gateway import rest_fleet, rest_groups
from keys.rest_tenants import Tenants
from portal import accounts, accounts_reset, accounts_sign_up, feeds, health, rest_inbox, shared_tables, stopping
from portal.pages import provider_sign_in, second_factors
from portal.rest_exports import Export
from tenants import rest, rest_platform, rest_tenants

handler400 = "portal.errors.bad_request"
handler403 = "portal.errors.forbidden"
handler404 = "portal.errors.not_found"
handler500 = "portal.errors.server_error"

in_tenant = [
    *tenants.urls.urlpatterns,
    *keys.urls.urlpatterns,
    *apis.urls.urlpatterns,
    *gateway.urls.urlpatterns,
    path("export/", Export.as_view(), name="export"),
    *rest_inbox.urlpatterns,
]

urlpatterns: list[URLPattern | URLResolver] = [
    *portal.pages.urls.urlpatterns,
    path("accounts/login/", accounts.sign_in, name="account_login"),
    path("accounts/logout/", logout, name="account_logout"),
    *accounts_sign_up.urlpatterns,
    *accounts_reset.urlpatterns,
    *second_factors.entrance_urlpatterns,
    *provider_sign_in.urlpatterns,
    path("platform/tables/", shared_tables.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    *keys.urls.oauth_urlpatterns,
    path("t/<str:tenant>/feeds/<str:secret>.ics", feeds.feed, name="calendar-feed"),
    path("t/<str:tenant>/inbox/stop/<str:token>/", stopping.stop_mails, name="stop-mails"),
    path("api/v1/session/", rest.Session.as_view(), name="session"),
    path("api/v1/session/refresh/", rest.SessionRefresh.as_view(), name="session-refresh"),
    path("api/v1/tenants/", Tenants.as_view(), name="tenants"),
    path("api/v1/tenants/<str:tenant>/", include(in_tenant)),
    path("api/v1/platform/", include(rest_platform.urlpatterns)),
    path("api/v1/platform/", include(rest_groups.for_operators)),
    path("api/v1/platform/tenants/", include(rest_tenants.for_operators)),
    path("api/v1/platform/", include(rest_fleet.for_operators)),
    path("api/v1/gateways/", include(rest_fleet.for_machines)),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    # Swagger UI writes styles into its page as it goes.
    path(
        "api/docs/",
        csp_replace({"script-src": ["'self'"], "style-src": ["'self'", "'unsafe-inline'"]})(
            SpectacularSwaggerSplitView.as_view(url_name="schema")
        ),
        name="docs",
    ),
]
