"""The key-encryption keys that settings name, by who keeps them. Of each keeper the first one named wraps."""

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

# No dots: they separate the parts of a sealed secret.
NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
MOUNT = re.compile(rf"{NAME.pattern}(/{NAME.pattern})*")
# An alias can lead elsewhere tomorrow, so only the key itself is taken.
ARN = re.compile(r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):[0-9]{12}:key/[A-Za-z0-9-]+")
HERE = {"127.0.0.1", "::1", "localhost"}


class Wrong(ValueError):  # noqa: N818
    """A setting can't be used, in a sentence."""


@dataclass(frozen=True, slots=True)
class InFiles:
    provider: ClassVar = "file"
    module: ClassVar = "file"

    keys: tuple[Path, ...]
    ours: bool = False
    """Whether the first is made on first use."""

    def check(self) -> None:
        for path in self.keys[self.ours :]:
            if not path.is_file():
                raise Wrong(f"PORTICO_KEK_FILE_OLD names {path}, where there is no file.")


@dataclass(frozen=True, slots=True)
class InVault:
    provider: ClassVar = "vault"
    module: ClassVar = "vault"

    keys: tuple[str, ...]
    url: str = ""
    mount: str = "transit"
    token: str = field(default="", repr=False)
    token_file: Path | None = None

    def check(self) -> None:
        _need("PORTICO_KEK_VAULT_URL", self.url)
        _need("PORTICO_KEK_VAULT_TOKEN", self.token)
        parts = urlsplit(self.url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise Wrong("PORTICO_KEK_VAULT_URL is an address such as https://vault.example.com:8200.")
        if parts.scheme == "http" and parts.hostname not in HERE:
            raise Wrong("PORTICO_KEK_VAULT_URL begins with http:, over which others could read keys. Only on this machine may it.")
        if not MOUNT.fullmatch(self.mount):
            raise Wrong(f"PORTICO_KEK_VAULT_MOUNT is a path such as transit, not {self.mount!r}.")
        _names("PORTICO_KEK_VAULT_KEY", self.keys)


@dataclass(frozen=True, slots=True)
class InAwsKms:
    provider: ClassVar = "aws-kms"
    module: ClassVar = "aws_kms"

    keys: tuple[str, ...]

    def check(self) -> None:
        _installed("boto3", self.provider)
        for arn in self.keys:
            if not ARN.fullmatch(arn):
                raise Wrong(
                    "PORTICO_KEK_AWS_KEY is the ARN of a key such as "
                    f"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab, not {arn!r}."
                )


@dataclass(frozen=True, slots=True)
class InToken:
    provider: ClassVar = "pkcs11"
    module: ClassVar = "pkcs11"

    keys: tuple[str, ...]
    library: str = ""
    token: str = ""
    pin: str = field(default="", repr=False)

    def check(self) -> None:
        _need("PORTICO_KEK_PKCS11_MODULE", self.library)
        _need("PORTICO_KEK_PKCS11_TOKEN", self.token)
        _need("PORTICO_KEK_PKCS11_PIN", self.pin)
        _installed("pkcs11", self.provider, package="python-pkcs11")
        if not Path(self.library).is_file():
            raise Wrong(f"PORTICO_KEK_PKCS11_MODULE names {self.library}, where there is no file.")
        _names("PORTICO_KEK_PKCS11_KEY", self.keys)


Named = InFiles | InVault | InAwsKms | InToken


def chosen(provider: str, named: Sequence[Named]) -> list[Named]:
    """The keepers with keys, the one that wraps first.

    :raises Wrong: with the sentence for whoever started us.
    """
    first = [each for each in named if each.provider == provider]
    if not first:
        raise Wrong(f"PORTICO_KEK_PROVIDER is one of {', '.join(each.provider for each in named)}, not {provider!r}.")
    if not first[0].keys:
        raise Wrong(f"PORTICO_KEK_PROVIDER is {provider}, but no key of it is named; docs/settings.md tells how.")
    found = [*first, *(each for each in named if each.provider != provider and each.keys)]
    for each in found:
        each.check()
    return found


def _need(setting: str, value: str) -> None:
    if not value:
        raise Wrong(f"The key-encryption key that is named needs {setting} as well.")


def _names(setting: str, names: Sequence[str]) -> None:
    for name in names:
        if not NAME.fullmatch(name):
            raise Wrong(f"{setting} is a name of letters, digits, - and _, not {name!r}.")


def _installed(module: str, provider: str, *, package: str = "") -> None:
    if importlib.util.find_spec(module) is None:
        raise Wrong(f"The key-encryption key's keeper {provider} needs the package {package or module}, which is not installed.")
