from typing import ClassVar

from django.db import models

from apis.models.api import ApiVersion
from tenants.models import TenantModel


class PublishedDocument(TenantModel):
    """The document of a version as callers take it, made when the first asked for it: of large ones that takes seconds."""

    class Form(models.TextChoices):
        JSON = "json", "JSON"
        YAML = "yaml", "YAML"

    MEDIA_TYPES: ClassVar = {Form.JSON: "application/json", Form.YAML: "application/yaml"}

    version = models.ForeignKey(ApiVersion, models.CASCADE, related_name="+")
    form = models.CharField(max_length=4, choices=Form)
    # See apis.published.made_from: once it is another, this is not the version's document any more.
    made_from = models.CharField(max_length=64)
    # UTF-8, compressed (RFC 1952), and the SHA-256 of what it was before.
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "version", "form"], name="one_document_per_version_and_form")]

    def __str__(self) -> str:
        return f"{self.version_id} {self.form}"
