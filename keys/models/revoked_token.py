from django.db import models

from keys.models.credential import Credential
from tenants.models import TenantModel


class RevokedToken(TenantModel):
    """An access token that its client gave back before its time (RFC 7009). Its row goes when the token has ended anyway."""

    jti = models.CharField(max_length=64)
    credential = models.ForeignKey(Credential, models.CASCADE, related_name="+")
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "token"
        constraints = [models.UniqueConstraint(fields=["tenant", "jti"], name="a_token_is_revoked_once")]
        indexes = [models.Index(fields=["tenant", "expires_at"], name="revoked_tokens_by_end")]

    def __str__(self) -> str:
        return self.jti


class UsedAssertion(TenantModel):
    """A client assertion that was accepted: a second one with its `jti` is a replay (RFC 7523 §3)."""

    credential = models.ForeignKey(Credential, models.CASCADE, related_name="+")
    jti_sha256 = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "credential", "jti_sha256"], name="an_assertion_is_used_once")]
        indexes = [models.Index(fields=["tenant", "expires_at"], name="used_assertions_by_end")]

    def __str__(self) -> str:
        return self.jti_sha256[:12]
