"""What a password must not be, in a sentence each; Django's own list of common ones stands beside them in the settings."""

from typing import Any

from django.contrib.auth.password_validation import MinimumLengthValidator, UserAttributeSimilarityValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class LongEnough(MinimumLengthValidator):
    def get_error_message(self) -> str:
        return _("This is too short: a password has %(least)s characters or more.") % {"least": self.min_length}


class UnlikeThePerson(UserAttributeSimilarityValidator):
    def validate(self, password: str, user: Any = None) -> None:
        try:
            super().validate(password, user)
        except ValidationError as error:
            raise ValidationError(_("This is too much like your name or your e-mail address."), code=error.code) from None
