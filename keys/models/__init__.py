from keys.models.application import Application
from keys.models.credential import Credential
from keys.models.signing_key import SigningKey

__all__ = ["Application", "Credential", "SigningKey"]
