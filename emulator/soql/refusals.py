"""Refusals that point at the place: the caret line Salesforce puts into query errors.

Source: recorded reply of a real org (`select count() from XYZZY`): an empty line, the statement,
a caret under the offending word, `ERROR at Row:1:Column:21`, the message. Rows and columns count from 1.
Assumed: of a long statement, the row is shown from at most 60 characters before the word to 60 after it.
"""

from __future__ import annotations

from emulator.errors import ApiError

SHOWN = 60


def row_and_column(statement: str, at: int) -> tuple[int, int]:
    """Row and column of an offset, both from 1."""
    before = statement[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def pointed(statement: str, at: int, message: str) -> str:
    """The message with the statement and a caret under position `at`."""
    row, column = row_and_column(statement, at)
    start = at - column + 1
    end = statement.find("\n", at)
    line = statement[start : len(statement) if end < 0 else end].rstrip("\r")
    first = max(0, column - 1 - SHOWN) if len(line) > 2 * SHOWN else 0
    shown = line[first : first + 2 * SHOWN]
    caret = " " * (column - 1 - first) + "^"
    return f"\n{shown}\n{caret}\nERROR at Row:{row}:Column:{column}\n{message}"


def refusal(code: str, statement: str, at: int, message: str) -> ApiError:
    """A query error (HTTP 400) that points at `at`."""
    return ApiError(400, code, pointed(statement, at, message))


def malformed(statement: str, at: int, message: str) -> ApiError:
    return refusal("MALFORMED_QUERY", statement, at, message)


def no_such_column(statement: str, at: int, name: str, entity: str) -> ApiError:
    """Also the answer for a field the user may not see.

    Source: REST API Developer Guide, status codes and error responses, INVALID_FIELD.
    """
    return refusal(
        "INVALID_FIELD",
        statement,
        at,
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to "
        "append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names.",
    )


def no_such_parent(statement: str, at: int, name: str) -> ApiError:
    """Assumed wording, as commonly seen."""
    return refusal(
        "INVALID_FIELD",
        statement,
        at,
        f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, "
        "be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe "
        "call for the appropriate names.",
    )


def no_such_child(statement: str, at: int, name: str) -> ApiError:
    """Assumed wording, as commonly seen."""
    return refusal(
        "INVALID_TYPE",
        statement,
        at,
        f"Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom "
        "relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or "
        "the describe call for the appropriate names.",
    )


def no_such_type(statement: str, at: int, name: str) -> ApiError:
    """Source: recorded reply of a real org (INVALID_TYPE)."""
    return refusal(
        "INVALID_TYPE",
        statement,
        at,
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append "
        "the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
    )
