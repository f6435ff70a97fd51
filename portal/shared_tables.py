"""Django's admin, for operators: the shared tables as they are, to look at.

Nothing is changed here: what changes one of them is an action with an event, and has a page. Tables of tenants are not here at all; row
security would show none of their rows.
"""

from typing import Any

from csp.decorators import csp_replace
from django.apps import apps
from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import CharField, JSONField, TextField
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver
from django.views.decorators.http import require_safe

from tenants.access import OPERATOR, operator_view
from tenants.checks import SHARED, patterns

# Columns that nobody has to see, by table.
HIDDEN = {
    "tenants_user": {"password"},
    "tenants_accountmail": {"data"},
    "keys_auditkey": {"sealed"},
    "gateway_nodecredential": {"sha256"},
    "gateway_jointoken": {"sha256"},
}
# What is sought by, where a table has it.
NAMES = {"slug", "name", "email", "kind", "job", "key", "subject_name", "actor_name"}
# Django's admin signs people in by pages of its own, and looks things up for forms, which there are none of.
DROPPED = {"login", "logout", "password_change", "password_change_done", "autocomplete", "view_on_site"}


class Table(ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    """One of them, read only."""

    actions = None
    list_per_page = 50
    change_form_template = "admin/shared_row.html"
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        """The list, and one row of it."""
        return [each for each in super().get_urls() if str(each.name).endswith(("_changelist", "_change"))]

    def _columns(self) -> list[str]:
        hidden = HIDDEN.get(self.opts.db_table, set())
        return [field.name for field in self.opts.concrete_fields if field.name not in hidden]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:  # noqa: ARG002
        return self._columns()

    def get_list_display(self, request: HttpRequest) -> list[Any]:  # noqa: ARG002
        long = {field.name for field in self.opts.concrete_fields if isinstance(field, JSONField | TextField)}
        return [name for name in self._columns() if name not in long]

    def get_search_fields(self, request: HttpRequest) -> list[Any]:  # noqa: ARG002
        return [field.name for field in self.opts.concrete_fields if isinstance(field, CharField) and field.name in NAMES]

    def get_list_select_related(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return True


class SharedTables(AdminSite):
    """To everybody but operators nothing is there, as of the platform's other pages."""

    enable_nav_sidebar = False
    final_catch_all_view = False

    def has_permission(self, request: HttpRequest) -> bool:
        return getattr(request.user, "operates", False)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002  (its signature)
        guarded = operator_view(require_safe(view))
        # Its scripts are files without a nonce.
        return csp_replace({"script-src": ["'self'"]})(guarded)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        kept = [each for each in super().get_urls() if getattr(each, "name", None) not in DROPPED]
        for each in patterns(kept):
            # `admin_view` stands behind each; Django wraps it once more.
            each.callback.access = OPERATOR  # type: ignore[attr-defined]
        return kept


site = SharedTables(name="admin")
for _label in SHARED:
    site.register(apps.get_model(_label), Table)
