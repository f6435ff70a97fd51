from django.db import models


class AccountMail(models.Model):
    """A mail about a person's account that a job is to send. Links with secrets in them are made when it is sent, and kept nowhere."""

    kind = models.CharField(max_length=40)
    email = models.EmailField()
    language = models.CharField(max_length=10, blank=True)
    data = models.JSONField(default=dict)
    # When it may be tried, and again.
    at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["at"], name="account_mails_by_time")]

    def __str__(self) -> str:
        return self.kind
