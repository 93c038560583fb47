"""Envelope encryption: a KMS data key per write, AES-256-GCM under it, both bound to the place.

Layout: version (1 byte), length of the wrapped key (2 bytes), wrapped key, nonce (12 bytes), ciphertext.
The library and the layout were chosen by measurement (docs/decisions.md).
"""

import json
import os
from typing import Any

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portico.adapters import aws
from portico.errors import SealBroken
from portico.sealing import Place, Seal

_VERSION = 1
_NONCE = 12
_BROKEN = {"InvalidCiphertextException", "IncorrectKeyException"}


class _DataKey:
    """A data key in hand for one place. Each `close` uses a fresh nonce."""

    __slots__ = ("_aad", "_cipher", "_wrapped")

    def __init__(self, key: bytes, wrapped: bytes, aad: bytes) -> None:
        self._cipher, self._wrapped, self._aad = AESGCM(key), wrapped, aad

    def close(self, plaintext: bytes) -> bytes:
        """The sealed bytes."""
        nonce = os.urandom(_NONCE)
        head = bytes([_VERSION]) + len(self._wrapped).to_bytes(2, "big") + self._wrapped
        return head + nonce + self._cipher.encrypt(nonce, plaintext, self._aad)


class KmsSealer:
    """Seals under one customer-managed key."""

    def __init__(self, key_arn: str) -> None:
        self._key_arn = key_arn

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
        """What was closed for this place. Raises SealBroken, StorageUnavailable."""
        if len(sealed) < 3 or sealed[0] != _VERSION:
            raise SealBroken
        end = 3 + int.from_bytes(sealed[1:3], "big")
        try:
            with aws.errors():
                key = self._kms.decrypt(
                    CiphertextBlob=sealed[3:end], KeyId=self._key_arn, EncryptionContext=place.context()
                )["Plaintext"]
            return AESGCM(key).decrypt(sealed[end : end + _NONCE], sealed[end + _NONCE :], _aad(place))
        except (InvalidTag, ValueError):
            raise SealBroken from None
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _BROKEN:
                raise SealBroken from None
            raise


def _aad(place: Place) -> bytes:
    return json.dumps(place.context(), sort_keys=True).encode()
