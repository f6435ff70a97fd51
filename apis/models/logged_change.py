from django.db import models

from apis.differences import Change, Level, Operation
from tenants.models import Event, TenantModel


class LoggedChange(TenantModel):
    """What callers had to know when a revision went live, against the one whose place it took: for the change log of its API.

    Compared once, by a job, and kept: what happened stays as it was told, and no reader waits for it.
    """

    # Of kind `revision.live`.
    event = models.ForeignKey(Event, models.CASCADE, related_name="+")
    # How many changes there are, by level.
    counts = models.JSONField(default=dict)
    # By language the first of them, the worst ahead: {rule, level, text, method, path, operation_id, summary}, of an operation's own alone
    # the last four.
    said = models.JSONField(default=dict)
    compared_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "event"], name="logged_once_per_event")]

    def __str__(self) -> str:
        return str(self.event_id)

    def changes(self, language: str) -> tuple[Change, ...]:
        """What is kept of them, in this language; in English where Portico has learnt it only since."""
        return tuple(map(of_json, self.said.get(language) or self.said.get("en", ())))


def as_json(change: Change) -> dict[str, str]:
    """As `said` has it."""
    said = {"rule": change.rule, "level": change.level.value, "text": change.text}
    if operation := change.operation:
        said |= {
            "method": operation.method,
            "path": operation.path,
            "operation_id": operation.operation_id,
            "summary": operation.summary,
        }
    return said


def of_json(said: dict[str, str]) -> Change:
    """What `as_json` said."""
    names = ("method", "path", "operation_id", "summary")
    operation = Operation(*(said[name] for name in names)) if "method" in said else None
    return Change(said["rule"], Level(said["level"]), said["text"], operation)
