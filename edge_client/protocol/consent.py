"""A validator key's consent to sign for an account, as the one line its operator gives to the device's owner,
and what the owner wishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_client.protocol.encoding import Fixed, Layout
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.keys import Signer, Verify
from edge_client.protocol.records import OptIn, consent_bytes

SCHEME = "flconsent:"


@dataclass(frozen=True, slots=True)
class Consent(Fixed):
    """This key may hold the seat of this account; good for one chain and for good [ELE-7]."""

    LAYOUT: ClassVar[Layout] = Layout("Consent", ("account", "u32"), ("key", "b32"), ("signature", "b64"))
    account: int
    key: bytes
    signature: bytes

    @classmethod
    def by(cls, signer: Signer, chain_id: bytes, account: int) -> Consent:
        """Signed by a validator's key."""
        return cls(account, signer.public_key, signer.sign(consent_bytes(chain_id, account)))

    def is_genuine(self, chain_id: bytes, verify: Verify) -> bool:
        """Whether the key signed it for this chain."""
        return verify(self.key, consent_bytes(chain_id, self.account), self.signature)

    def text(self) -> str:
        """The line."""
        return SCHEME + self.encode().hex()

    @classmethod
    def parse(cls, text: str) -> Consent:
        """Inverse of `text`; raises `DecodeError`."""
        line = text.strip()
        if not line.startswith(SCHEME):
            raise DecodeError(f"a consent starts with {SCHEME}")
        try:
            return cls.decode(bytes.fromhex(line[len(SCHEME) :]))
        except ValueError:
            raise DecodeError("a consent is hex digits after its scheme") from None

    def opt_in(self, bond: int, made_at: int) -> OptIn:
        """The unsigned opt-in that rests on it."""
        return OptIn(self.account, self.key, bond, made_at, self.signature)


@dataclass(frozen=True, slots=True)
class Wish:
    """Opt in with this consent, or out without one. `bond` 0 is the least that the chain asks for."""

    consent: Consent | None
    bond: int = 0

    def text(self) -> str:
        """One line: `opt-in BOND CONSENT` or `opt-out`."""
        return "opt-out" if self.consent is None else f"opt-in {self.bond} {self.consent.text()}"

    @classmethod
    def parse(cls, text: str) -> Wish:
        """Inverse of `text`; raises `DecodeError`."""
        match text.split():
            case ["opt-out"]:
                return cls(None)
            case ["opt-in", bond, consent] if bond.isdecimal() and int(bond) < 1 << 64:
                return cls(Consent.parse(consent), int(bond))
        raise DecodeError("a wish is `opt-in BOND CONSENT` or `opt-out`")
