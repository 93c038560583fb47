"""What the environment tells the local world."""

import pytest

from sandbox.world.settings import Settings, SettingsError


def test_without_variables_it_is_the_sandbox_on_port_8080() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert settings.port == 8080
    assert settings.allowed_return_urls("http://127.0.0.1:8080") == (
        "http://127.0.0.1:8080/app/",
        "http://127.0.0.1:8080/app/return",
    )


def test_the_variables_put_another_onerecord_in_its_place() -> None:
    settings = Settings.from_environment(
        {
            "PORT": "0",
            "PORTICO_DIRECTORY_URL": "http://127.0.0.1:9001/",
            "PORTICO_INTEGRATOR_URL": "http://127.0.0.1:9002",
            "PORTICO_REDIRECTOR_HOSTS": "127.0.0.1:9003,redirector.example",
            "PORTICO_DEVICE_TOKEN": "another-token",
            "PORTICO_RETURN_URLS": "https://app.example/return, myapp://done",
            "PORTICO_WEBHOOK_URL": "http://127.0.0.1:9004/hook",
            "PORTICO_POLL_SECONDS": "1",
        }
    )
    assert settings == Settings(
        port=0,
        directory_url="http://127.0.0.1:9001",
        integrator_url="http://127.0.0.1:9002",
        redirector_hosts="127.0.0.1:9003,redirector.example",
        device_token="another-token",
        return_urls=("https://app.example/return", "myapp://done"),
        webhook_url="http://127.0.0.1:9004/hook",
        poll_seconds=1,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORTICO_POLL_SECONDS", "1.5"),
        ("PORTICO_POLL_SECONDS", "301"),
        ("PORTICO_DIRECTORY_URL", "directory.example"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({name: value})
