"""Ed25519 keys of one installation, made once, and the market's signature on receipts and checkpoints."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from infra.secrets import keep


def signing_key(folder: Path, name: str) -> Ed25519PrivateKey:
    """The private key of that name, which is made at first use and readable only by its owner."""
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
        """The signature, 64 bytes in hexadecimal. It takes about 60 microseconds."""
        return self._private.sign(text).hex()


def signed_by(key: str, signature: str, text: bytes) -> bool:
    """Whether this is the key's signature of the text. Also False if the key or the signature is malformed."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), text)
    except (InvalidSignature, ValueError):
        return False
    return True
