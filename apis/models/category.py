from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Lower

from tenants.models import TenantManager, TenantModel


class CategoryQuerySet(models.QuerySet["Category"]):
    def for_list(self) -> Self:
        """By name, each with `many`: how many APIs are in it, published or not."""
        return self.annotate(many=models.Count("apis")).order_by(Lower("name"))


CategoryManager = TenantManager.from_queryset(CategoryQuerySet)


class Category(TenantModel):
    """What a tenant's APIs are about, in its own words: an API is in one at most."""

    name = models.CharField(max_length=40)

    objects: ClassVar[CategoryManager["Category"]] = CategoryManager()

    class Meta:
        verbose_name = "category"
        constraints = [models.UniqueConstraint("tenant", Lower("name"), name="one_category_per_name")]

    def __str__(self) -> str:
        return self.name
