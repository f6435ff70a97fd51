"""What a command ends with when it is not done: a sentence on standard error, and 1; or 2 where it was not understood."""


class Refused(Exception):  # noqa: N818  (reads as the sentence it is)
    """The portal, or a rule of ours, says no (1)."""


class Usage(Exception):  # noqa: N818
    """What was asked for can't be asked (2)."""
