import pytest

from portico.adapters.kms_sealer import KmsSealer
from portico.errors import InvalidRequest
from portico.sealing import tokens_of
from tests.adapters.stores import Stores
from tests.functions.conftest import Load
from tests.functions.handlers import event
from tests.samples import active


def test_all_tokens_come_under_the_current_key(load: Load, stores: Stores) -> None:
    aws = stores.backend
    old = aws.new_key()
    connections = [active(generation=n) for n in (1, 2)]
    for connection in connections:
        place = tokens_of(connection.id, connection.generation)
        tokens = KmsSealer(old).prepare(place).close(b"tokens of maria")
        stores.put(active(id=connection.id, generation=connection.generation, tokens=tokens))
    rewrap = load("rewrap_tokens", PREVIOUS_TOKENS_KEY=old)
    swept = rewrap(event("rewrap_tokens", "all"))
    assert (swept["complete"], swept["rewrapped"]) == (True, 2)
    assert rewrap({})["rewrapped"] == 0
    aws.client("kms").disable_key(KeyId=old)
    for connection in connections:
        stored = stores.connections.get(connection.id)
        assert stored is not None and stored.tokens is not None
        assert (
            KmsSealer(aws.key).open(tokens_of(stored.id, stored.generation), stored.tokens)
            == b"tokens of maria"
        )


def test_it_goes_on_from_where_it_is_told(load: Load, stores: Stores) -> None:
    swept = load("rewrap_tokens", PREVIOUS_TOKENS_KEY=stores.backend.new_key())(
        event("rewrap_tokens", "continue")
    )
    assert swept["complete"]


def test_without_a_key_to_leave_it_does_not_start(load: Load) -> None:
    with pytest.raises(InvalidRequest, match="PreviousTokensKeyArn"):
        load("rewrap_tokens", PREVIOUS_TOKENS_KEY="")(event("rewrap_tokens", "all"))
