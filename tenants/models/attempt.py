from django.db import models


class Attempt(models.Model):
    """How often something guessable was tried in one window, by a digest of who tried. Rows end with their window."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField(default=1)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.count} until {self.until}"
