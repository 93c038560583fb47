"""The table of permissions in docs/security.md is the template's."""

from tools import permissions


def test_the_permissions_table_is_current() -> None:
    document = permissions.DOCUMENT.read_text()
    assert document == permissions.written(document, permissions.of_the_document()), (
        "run: python -m tools.permissions"
    )


def test_a_statement_is_taken_apart_into_single_rights() -> None:
    statement = {
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "key",
        "Condition": {"StringEquals": {"kms:EncryptionContext:table": ["attempts", "connections"]}},
    }
    rights = permissions.atoms({"Statement": statement})
    assert [
        (one["Action"], one["Condition"]["StringEquals"]["kms:EncryptionContext:table"]) for one in rights
    ] == [
        ("kms:Decrypt", "attempts"),
        ("kms:Decrypt", "connections"),
        ("kms:GenerateDataKey", "attempts"),
        ("kms:GenerateDataKey", "connections"),
    ]
