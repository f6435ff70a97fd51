from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

import apis.urls
import gateway.urls
import keys.urls
import tenants.urls
from portal import health
from tenants import rest

handler400 = "portal.errors.bad_request"
handler403 = "portal.errors.forbidden"
handler404 = "portal.errors.not_found"
handler500 = "portal.errors.server_error"

in_tenant = [*tenants.urls.urlpatterns, *keys.urls.urlpatterns, *apis.urls.urlpatterns, *gateway.urls.urlpatterns]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(url="/api/docs/"), name="home"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    *keys.urls.oauth_urlpatterns,
    *gateway.urls.page_urlpatterns,
    path("api/v1/session/", rest.Session.as_view(), name="session"),
    path("api/v1/session/refresh/", rest.SessionRefresh.as_view(), name="session-refresh"),
    path("api/v1/tenants/", rest.Tenants.as_view(), name="tenants"),
    path("api/v1/tenants/<str:tenant>/", include(in_tenant)),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]
