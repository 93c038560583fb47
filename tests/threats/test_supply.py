"""T33 and T34: what the deployment is made of, and what may be read off it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.world import template
from sandbox.world.world import World

ROOT = Path(__file__).parents[2]
LOCKS = sorted([*ROOT.glob("requirements/*.txt"), *ROOT.glob("layers/*/requirements.txt")])
PINNED = re.compile(
    r"[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?==[\w.!+-]+( ; [^\\]+)?(( )+--hash=sha256:[0-9a-f]{64})+"
)
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|xox[abp]-|gh[pousr]_[A-Za-z0-9]{36}"
    r"|(?i:(password|secret|token)[\"']?\s*[:=]\s*[\"'][A-Za-z0-9+/_-]{40,}[\"'])"
)


def requirements(lock: Path) -> list[str]:
    """A lock file's requirements, each with its hashes on one line."""
    text = re.sub(r"\\\n", " ", lock.read_text())
    return [
        re.sub(r"\s+", " ", line).strip()
        for line in text.splitlines()
        if line and not line.lstrip().startswith("#")
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_t33_every_line_of_a_lock_file_is_pinned_to_a_version_and_its_hashes(lock: Path) -> None:
    lines = requirements(lock)
    assert lines and [line for line in lines if not PINNED.fullmatch(line)] == []
    assert len({re.split(r"[=\[]", line)[0].lower() for line in lines}) <= len(lines)


def test_t33_whatever_is_installed_is_installed_by_a_lock_file() -> None:
    named = {lock.relative_to(ROOT).as_posix() for lock in LOCKS}
    installs = re.findall(r"^.*pip (?:install|sync).*$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(installs) >= 5
    for line in installs:
        assert "--require-hashes" in line, line
        assert set(re.findall(r"\S+\.txt", line)) <= named, line
    inputs = {path.with_suffix(".in") for path in LOCKS}
    assert [path for path in inputs if not path.exists()] == []


def test_t34_no_function_has_a_secret_in_its_environment(world: World) -> None:
    """Addresses, names and numbers; the secret is named, and read when it is needed."""
    functions = world.aws("lambda")
    for logical in world.stack.folders:
        settings = functions.get_function_configuration(FunctionName=world.stack.physical_ids[logical])
        variables = settings["Environment"]["Variables"]
        assert world.settings.device_token not in repr(settings)
        suspicious = [n for n in variables if re.search("SECRET|TOKEN|PASSWORD|PRIVATE|CREDENTIAL", n)]
        assert set(suspicious) <= {"ONERECORD_SECRET", "TOKENS_KEY", "PREVIOUS_TOKENS_KEY"}
        assert all(re.fullmatch(r"(arn:.*)?", variables[name]) for name in suspicious)


def test_t34_the_template_and_its_parameters_carry_no_secret() -> None:
    source: dict[str, Any] = template.load(ROOT / "template.yaml")
    assert not [
        n for n in source["Parameters"] if re.search("Password|DeviceToken|PrivateKey|ApiKey|Credential", n)
    ]
    assert "SecretString" not in source["Resources"]["OneRecordSecret"]["Properties"]
    assert SECRET.search((ROOT / "template.yaml").read_text()) is None


def test_t34_no_file_of_the_repository_holds_a_key() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    texts = [ROOT / name for name in listed if name and not name.endswith((".png", ".txt"))]
    found = [
        f"{path.relative_to(ROOT)}: {hit[0][:40]}"
        for path in texts
        if path.is_file()
        for hit in SECRET.finditer(path.read_text(errors="replace"))
        if not hit[0].endswith("EXAMPLE")  # as in AWS's own documentation
    ]
    assert found == []
