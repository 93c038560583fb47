"""Where sealed data belongs."""

from portico import sealing
from portico.sealing import Place


def test_a_place_is_told_to_the_key_service_as_text() -> None:
    assert Place("connections", "id", "tokens", 3).context() == {
        "table": "connections",
        "key": "id",
        "attribute": "tokens",
        "generation": "3",
    }


def test_t19_no_two_secrets_share_a_place() -> None:
    places = [
        sealing.tokens_of("id", 1),
        sealing.tokens_of("id", 2),
        sealing.tokens_of("other", 1),
        sealing.verifier_of("id"),
        sealing.code_of("id", 1),
        sealing.code_of("id", 2),
        sealing.transaction_of("id"),
    ]
    assert len({tuple(place.context().items()) for place in places}) == len(places)
