"""Several key-encryption keys at once, as while one follows another."""

from dataclasses import dataclass

from keys.envelope import Kek


@dataclass(frozen=True, slots=True)
class Ring:
    """The first wraps; each opens what it wrapped."""

    keks: tuple[Kek, ...]

    @property
    def current_id(self) -> str:
        return self.keks[0].current_id

    def opens(self, kek_id: str) -> bool:
        return any(each.opens(kek_id) for each in self.keks)

    def wrap(self, key: bytes, context: bytes, kek_id: str) -> bytes:
        return self.keks[0].wrap(key, context, kek_id)

    def unwrap(self, wrapped: bytes, context: bytes, kek_id: str) -> bytes:
        return next(each for each in self.keks if each.opens(kek_id)).unwrap(wrapped, context, kek_id)

    def __str__(self) -> str:
        return ", ".join(str(each) for each in self.keks)
