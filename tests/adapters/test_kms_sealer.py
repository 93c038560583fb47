import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from portico.adapters.kms_sealer import KmsSealer
from portico.errors import KeyUnavailable, SealBroken, StorageUnavailable
from portico.sealing import Place, code_of, tokens_of, transaction_of, verifier_of
from tests.adapters.faults import failing, refusing
from tests.backends import Backend
from tests.samples import fresh_id

SECRET = b"refresh-token-of-maria"


@pytest.fixture
def sealer(aws: Backend) -> KmsSealer:
    return KmsSealer(aws.key)


@pytest.fixture
def place() -> Place:
    return tokens_of(fresh_id(), 7)


def differs_in_moto(aws: Backend, request: pytest.FixtureRequest, reason: str) -> None:
    if aws.name == "moto":
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))


def sealed(sealer: KmsSealer, place: Place, plaintext: bytes = SECRET) -> bytes:
    return sealer.prepare(place).close(plaintext)


@pytest.mark.parametrize("plaintext", [b"", SECRET, os.urandom(4097), os.urandom(150_000)])
def test_what_is_closed_opens_in_its_place(sealer: KmsSealer, place: Place, plaintext: bytes) -> None:
    assert sealer.open(place, sealed(sealer, place, plaintext)) == plaintext


def test_a_seal_shows_nothing_of_what_is_in_it(sealer: KmsSealer, place: Place) -> None:
    assert SECRET not in sealed(sealer, place)


def test_closing_twice_never_gives_the_same_bytes(sealer: KmsSealer, place: Place) -> None:
    seal = sealer.prepare(place)
    first, second = seal.close(SECRET), seal.close(SECRET)
    assert first != second
    assert sealer.open(place, first) == sealer.open(place, second) == SECRET


def test_each_write_has_a_data_key_of_its_own(sealer: KmsSealer, place: Place) -> None:
    first, second = sealed(sealer, place), sealed(sealer, place)
    length = 3 + int.from_bytes(first[1:3], "big")
    assert first[3:length] != second[3:length]


PARTS: dict[str, Callable[[int, int], int]] = {
    "version": lambda whole, wrapped: 0,
    "length, high byte": lambda whole, wrapped: 1,
    "length, low byte": lambda whole, wrapped: 2,
    "wrapped key, first byte": lambda whole, wrapped: 3,
    "wrapped key, last byte": lambda whole, wrapped: wrapped - 1,
    "nonce, first byte": lambda whole, wrapped: wrapped,
    "nonce, last byte": lambda whole, wrapped: wrapped + 11,
    "ciphertext, first byte": lambda whole, wrapped: wrapped + 12,
    "tag, last byte": lambda whole, wrapped: whole - 1,
}


@pytest.mark.parametrize("part", PARTS)
def test_a_tampered_byte_is_noticed(
    sealer: KmsSealer, place: Place, part: str, aws: Backend, request: pytest.FixtureRequest
) -> None:
    if part == "wrapped key, first byte":
        differs_in_moto(aws, request, "moto calls a ciphertext of a key that it does not know forbidden")
    whole = bytearray(sealed(sealer, place))
    whole[PARTS[part](len(whole), 3 + int.from_bytes(whole[1:3], "big"))] ^= 0x01
    with pytest.raises(SealBroken):
        sealer.open(place, bytes(whole))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 40, -1, -16])
def test_a_shortened_seal_is_noticed(sealer: KmsSealer, place: Place, length: int) -> None:
    with pytest.raises(SealBroken):
        sealer.open(place, sealed(sealer, place)[:length])


@pytest.mark.parametrize(
    "moved",
    [
        lambda here: replace(here, generation=here.generation + 1),
        lambda here: replace(here, generation=here.generation - 1),
        lambda here: replace(here, attribute="code"),
        lambda here: replace(here, key=fresh_id()),
        lambda here: replace(here, table="attempts"),
    ],
    ids=["next generation", "earlier generation", "attribute", "item", "table"],
)
def test_a_seal_opens_in_no_other_place(sealer: KmsSealer, place: Place, moved: object) -> None:
    assert callable(moved)
    with pytest.raises(SealBroken):
        sealer.open(moved(place), sealed(sealer, place))


def test_every_kind_of_place_keeps_to_itself(sealer: KmsSealer) -> None:
    places = [verifier_of("k"), code_of("k", 1), code_of("k", 2), tokens_of("k", 1), transaction_of("k")]
    for here in places:
        kept = sealed(sealer, here)
        assert sealer.open(here, kept) == SECRET
        for there in places:
            if there != here:
                with pytest.raises(SealBroken):
                    sealer.open(there, kept)


def test_data_under_another_places_data_key_is_noticed(sealer: KmsSealer, place: Place) -> None:
    mine, other = sealed(sealer, place), sealed(sealer, replace(place, generation=8))
    end = 3 + int.from_bytes(mine[1:3], "big")
    with pytest.raises(SealBroken):
        sealer.open(place, mine[:end] + other[3 + int.from_bytes(other[1:3], "big") :])


def test_a_seal_of_another_key_does_not_open(
    aws: Backend, place: Place, request: pytest.FixtureRequest
) -> None:
    differs_in_moto(aws, request, "moto calls a ciphertext of another key than the one named forbidden")
    theirs = sealed(KmsSealer(aws.new_key()), place)
    with pytest.raises(KeyUnavailable):
        KmsSealer(aws.key).open(place, theirs)


# --- KMS in trouble --------------------------------------------------------------------------------

OPERATIONS = ["GenerateDataKey", "Decrypt"]


def use(sealer: KmsSealer, place: Place, operation: str, kept: bytes) -> object:
    return sealer.prepare(place) if operation == "GenerateDataKey" else sealer.open(place, kept)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "code", ["ThrottlingException", "KMSInternalException", "DependencyTimeoutException"]
)
def test_trouble_that_lasts_is_told_after_three_tries(
    sealer: KmsSealer, place: Place, operation: str, code: str, pauses: list[float]
) -> None:
    kept = sealed(sealer, place)
    status = 500 if code != "ThrottlingException" else 400
    with failing("kms", operation, code, status=status) as failed, pytest.raises(StorageUnavailable):
        use(sealer, place, operation, kept)
    assert len(failed) == 3
    assert sum(pauses) < 4


@pytest.mark.parametrize("operation", OPERATIONS)
def test_trouble_that_passes_is_not_told(
    sealer: KmsSealer, place: Place, operation: str, pauses: list[float]
) -> None:
    kept = sealed(sealer, place)
    with failing("kms", operation, "ThrottlingException", times=2) as failed:
        use(sealer, place, operation, kept)
    assert len(failed) == 2


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="https://kms"), ReadTimeoutError(endpoint_url="https://kms")],
    ids=["unreachable", "timeout"],
)
def test_a_network_that_fails_is_told_as_unavailable(
    sealer: KmsSealer, place: Place, operation: str, error: Exception, pauses: list[float]
) -> None:
    kept = sealed(sealer, place)
    with refusing("kms", operation, error), pytest.raises(StorageUnavailable):
        use(sealer, place, operation, kept)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("code", ["DisabledException", "KMSInvalidStateException"])
def test_a_key_that_is_out_of_use_is_told_and_never_taken_for_a_broken_seal(
    sealer: KmsSealer, place: Place, operation: str, code: str
) -> None:
    kept = sealed(sealer, place)
    with failing("kms", operation, code), pytest.raises(KeyUnavailable):
        use(sealer, place, operation, kept)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_missing_permission_is_a_defect_and_never_a_broken_seal(
    sealer: KmsSealer, place: Place, operation: str
) -> None:
    kept = sealed(sealer, place)
    with failing("kms", operation, "AccessDeniedException"), pytest.raises(ClientError):
        use(sealer, place, operation, kept)


def test_a_disabled_key_seals_and_opens_nothing(
    aws: Backend, place: Place, request: pytest.FixtureRequest
) -> None:
    differs_in_moto(aws, request, "moto's disabled keys still encrypt")
    key = aws.new_key()
    kept = sealed(KmsSealer(key), place)
    aws.client("kms").disable_key(KeyId=key)
    with pytest.raises(KeyUnavailable):
        KmsSealer(key).prepare(place)
    with pytest.raises(KeyUnavailable):
        KmsSealer(key).open(place, kept)
