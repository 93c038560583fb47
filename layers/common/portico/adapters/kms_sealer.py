"""Envelope encryption: a KMS data key per write, AES-256-GCM under it, both bound to the place.

Layout: version (1 byte), length of the wrapped key (2 bytes), wrapped key, nonce (12 bytes), ciphertext.
The library and the layout were chosen by measurement (docs/decisions.md).
"""

import json
import secrets
from typing import Any

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portico.adapters import aws
from portico.errors import KeyUnavailable, SealBroken
from portico.sealing import Place, Seal

_VERSION = 1
_NONCE = 12


class _DataKey:
    """A data key in hand for one place. Each `close` uses a fresh nonce."""

    __slots__ = ("_aad", "_cipher", "_wrapped")

    def __init__(self, key: bytes, wrapped: bytes, aad: bytes) -> None:
        self._cipher, self._wrapped, self._aad = AESGCM(key), wrapped, aad

    def close(self, plaintext: bytes) -> bytes:
        """The sealed bytes."""
        nonce = secrets.token_bytes(_NONCE)
        return _head(self._wrapped) + nonce + self._cipher.encrypt(nonce, plaintext, self._aad)


class KmsSealer:
    """Seals under one customer-managed key. While a deployment moves to it, seals of the previous one open too."""

    def __init__(self, key_arn: str, previous_arn: str | None = None) -> None:
        self._key_arn, self._previous_arn = key_arn, previous_arn

    @property
    def _kms(self) -> Any:
        return aws.client("kms")

    def prepare(self, place: Place) -> Seal:
        """Fetches a data key for a place. Raises StorageUnavailable."""
        with aws.errors():
            made = self._kms.generate_data_key(
                KeyId=self._key_arn, KeySpec="AES_256", EncryptionContext=place.context()
            )
        return _DataKey(made["Plaintext"], made["CiphertextBlob"], _aad(place))

    def open(self, place: Place, sealed: bytes) -> bytes:
        """What was closed for this place. Raises SealBroken, StorageUnavailable.

        A seal under a key that is not ours is no tampering: in the middle of a deployment to another key, or
        when nobody told us the previous one, it opens as soon as we know its key.
        """
        wrapped, rest = _split(sealed)
        key, by = self._unwrap(place, wrapped)
        if by is None:
            raise KeyUnavailable
        try:
            return AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], _aad(place))
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def rewrap(self, place: Place, sealed: bytes) -> bytes | None:
        """The same seal with its data key under the current key; None when it is under that already.

        Raises SealBroken when it is under neither key, StorageUnavailable.
        """
        wrapped, rest = _split(sealed)
        key, by = self._unwrap(place, wrapped)
        if by is None:
            raise SealBroken
        if by == self._key_arn:
            return None
        with aws.errors():
            anew = self._kms.encrypt(KeyId=self._key_arn, Plaintext=key, EncryptionContext=place.context())
        return _head(anew["CiphertextBlob"]) + rest

    def _unwrap(self, place: Place, wrapped: bytes) -> tuple[bytes, str | None]:
        """The data key, and which of our keys had wrapped it; None when neither had."""
        for arn in filter(None, (self._key_arn, self._previous_arn)):
            try:
                with aws.errors():
                    found = self._kms.decrypt(
                        CiphertextBlob=wrapped, KeyId=arn, EncryptionContext=place.context()
                    )
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if code == "IncorrectKeyException":
                    continue
                if code == "InvalidCiphertextException":
                    raise SealBroken from None
                raise
            return found["Plaintext"], arn
        return b"", None


def _head(wrapped: bytes) -> bytes:
    return bytes([_VERSION]) + len(wrapped).to_bytes(2, "big") + wrapped


def _split(sealed: bytes) -> tuple[bytes, bytes]:
    """The wrapped key, and the rest."""
    if len(sealed) < 3 or sealed[0] != _VERSION:
        raise SealBroken
    end = 3 + int.from_bytes(sealed[1:3], "big")
    return sealed[3:end], sealed[end:]


def _aad(place: Place) -> bytes:
    return json.dumps(place.context(), sort_keys=True).encode()
