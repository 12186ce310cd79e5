"""Ed25519 keys of one installation, made once, and the market's own signature under receipts and checkpoints."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from infra.secrets import keep


def signing_key(folder: Path, name: str) -> Ed25519PrivateKey:
    """The private key of that name, made at first use, readable by its owner only."""
    path = folder / name
    if not path.exists():
        keep(path, Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(private, Ed25519PrivateKey)
    return private


class Signer:
    """Signs in the market's name. ``key`` is the public key, 32 bytes in hexadecimal."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.key = private.public_key().public_bytes_raw().hex()

    @classmethod
    def load(cls, folder: Path) -> "Signer":
        return cls(signing_key(folder, "market-key.pem"))

    def sign(self, text: bytes) -> str:
        """The signature, 64 bytes in hexadecimal. It takes some 60 microseconds."""
        return self._private.sign(text).hex()


def signed_by(key: str, signature: str, text: bytes) -> bool:
    """Is this the key's signature under the text? False also for what is no key or no signature."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), text)
    except (InvalidSignature, ValueError):
        return False
    return True
