"""Key-encryption keys in AWS KMS, which they never leave.

AWS KMS API Reference: Encrypt, Decrypt, with what the secret is for as the encryption context, which CloudTrail shows in clear text.
Who we are, boto3 finds out as everywhere at AWS: environment, profile, or the machine's role.
"""

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from keys.envelope import Unavailable, Unreadable
from keys.keks.named import ARN, InAwsKms

# Somebody may wait for it under a tenant's lock.
CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 2})
UNREADABLE = {"InvalidCiphertextException", "IncorrectKeyException"}


def keks(named: InAwsKms) -> list["AwsKmsKek"]:
    return [AwsKmsKek(arn, _client(arn)) for arn in named.keys]


def _client(arn: str) -> Any:
    found = ARN.fullmatch(arn)
    assert found is not None
    try:
        return boto3.client("kms", region_name=found["region"], config=CONFIG)
    except (BotoCoreError, ValueError) as error:
        raise Unavailable(f"AWS KMS can't be asked ({type(error).__name__}).") from None


@dataclass(frozen=True, slots=True)
class AwsKmsKek:
    """One key. AWS turns its material by itself and keeps the old, so its id stays."""

    arn: str
    client: Any

    @property
    def current_id(self) -> str:
        return self.arn

    def opens(self, kek_id: str) -> bool:
        return kek_id == self.arn

    def wrap(self, key: bytes, context: bytes, kek_id: str) -> bytes:
        return self._ask("encrypt", "CiphertextBlob", KeyId=kek_id, Plaintext=key, EncryptionContext=_for(context))

    def unwrap(self, wrapped: bytes, context: bytes, kek_id: str) -> bytes:
        return self._ask("decrypt", "Plaintext", KeyId=kek_id, CiphertextBlob=wrapped, EncryptionContext=_for(context))

    def __str__(self) -> str:
        return self.arn

    def _ask(self, what: str, member: str, **sent: Any) -> bytes:
        """No error repeats what was sent or answered: both hold keys."""
        try:
            found: bytes = getattr(self.client, what)(**sent)[member]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in UNREADABLE:
                raise Unreadable("This secret was damaged or belongs to another row.") from None
            raise Unavailable(f"AWS KMS doesn't let us use {self.arn} ({code} to {what}).") from None
        except BotoCoreError as error:
            raise Unavailable(f"AWS KMS can't be asked for {self.arn} ({type(error).__name__}).") from None
        return found


def _for(context: bytes) -> dict[str, str]:
    return {"portico": context.decode()}
