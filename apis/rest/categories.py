"""REST: the categories of the catalogue."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions.catalogue import change_categories
from apis.models import Category
from apis.serializers_catalogue import CategoriesIn, CategoriesOut
from tenants.rest import TenantRestView


class Categories(TenantRestView):
    access = {"GET": "apis.see_published", "PUT": "settings.manage"}

    @extend_schema(responses=CategoriesOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """What the APIs of the catalogue are about."""
        return Response(CategoriesOut({"categories": list(Category.objects.for_list())}).data)

    @extend_schema(request=CategoriesIn, responses=CategoriesOut)
    def put(self, request: Request) -> Response:
        """Have these from now on: with an `id` one that there is, under this name; without one a new one. Others go."""
        given = self.read(CategoriesIn)["categories"]
        kept = {each["id"]: each["name"] for each in given if each.get("id")}
        change_categories(kept, new=[each["name"] for each in given if not each.get("id")], by=self.user)
        return self.get(request)
