"""What came of sending a batch, and what people are told of it. Pure but for what it is told."""

from dataclasses import dataclass
from enum import StrEnum

from keys import webhooks

MAX_ANSWER = 300


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever shows it translates it."""
    return sentence


class Trouble(StrEnum):
    """Why a batch was not taken, as it is kept. Most are those of webhooks."""

    FORBIDDEN = "forbidden"
    SLOW = "slow"
    LARGE = "large"
    UNTRUSTED = "untrusted"
    SILENT = "silent"
    REDIRECT = "redirect"
    GONE = "gone"
    STATUS = "status"
    PARTIAL = "partial"
    FOLDER = "folder"
    SEALED = "sealed"
    FAILED = "failed"


SENTENCES = {
    **{Trouble(str(trouble)): sentence for trouble, sentence in webhooks.SENTENCES.items() if trouble != webhooks.Trouble.GONE},
    Trouble.GONE: _("%(host)s answered 410: there is nothing at this address any more."),
    Trouble.PARTIAL: _("%(host)s took some records and not others."),
    Trouble.FOLDER: _("The file could not be written. Ask the operator to look at the folder and its disk."),
    Trouble.SEALED: _("The key that opens the sealed authorization could not be had."),
    Trouble.FAILED: _("Sending failed for a reason that only the log of the usage process has."),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`trouble` is None where all was taken but `rejected` records. `answer`: how it began, without what was secret in it."""

    trouble: Trouble | None = None
    status: int | None = None
    answer: str = ""
    rejected: int = 0
    # How long the destination asks to be left alone, in seconds.
    rest: float = 0.0

    @property
    def taken(self) -> bool:
        return self.trouble in {None, Trouble.PARTIAL}

    @property
    def again(self) -> bool:
        """Whether the same could be taken later."""
        if self.trouble == Trouble.STATUS:
            return self.status in {408, 425, 429} or (self.status or 0) >= 500
        return self.trouble in {Trouble.SLOW, Trouble.SILENT, Trouble.UNTRUSTED, Trouble.FORBIDDEN, Trouble.FOLDER, Trouble.SEALED}
