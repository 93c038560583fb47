"""The app's own URL that the browser is sent back to."""

import pytest

from portico import return_url
from portico.errors import InvalidRequest

ALLOWED = {"https://app.example/connected", "com.example.app:/connected", "https://app.example/c?tab=1"}


@pytest.mark.parametrize("url", sorted(ALLOWED))
def test_an_allowed_url_is_taken_exactly(url: str) -> None:
    assert return_url.checked(url, ALLOWED) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/connected",
        "http://app.example/connected",
        "https://app.example/connected/",
        "https://app.example/connected/../other",
        "https://app.example/Connected",
        "https://app.example/connected?x=1",
        "https://app.example/connected#x",
        "https://app.example:443/connected",
        "https://user@app.example/connected",
        "https://app.example.evil.example/connected",
        " https://app.example/connected",
        "https://app.example/connected\n",
    ],
)
def test_t09_any_other_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        return_url.checked(url, ALLOWED)
    assert refused.value.field == "returnUrl"
    assert not url or url not in str(refused.value)


def test_the_handle_travels_in_the_fragment_and_the_outcome_in_the_query() -> None:
    url = return_url.with_outcome("https://app.example/connected", "id", "authorized", "h-_")
    assert url == "https://app.example/connected?connection=id&status=authorized#handle=h-_"


def test_t15_without_a_handle_there_is_still_a_fragment() -> None:
    url = return_url.with_outcome("com.example.app:/connected", "id", "declined")
    assert url == "com.example.app:/connected?connection=id&status=declined#declined"


def test_a_query_of_the_apps_own_is_kept() -> None:
    url = return_url.with_outcome("https://app.example/c?tab=1", "id", "failed")
    assert url == "https://app.example/c?tab=1&connection=id&status=failed#failed"
