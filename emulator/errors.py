"""What the org refuses, and how it says so.

`ApiError` ends a whole request; `RecordError` is the reason one record was refused (a row of a collection, a
line of a bulk job). The edge turns an uncaught `RecordError` into the reply of a single-record call.
Source: Salesforce REST API Developer Guide, "Status Codes and Error Responses"; SOAP API Developer Guide,
"StatusCode".
"""

from __future__ import annotations

from dataclasses import dataclass, field

NOT_FOUND_CODES = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED"})
FORBIDDEN_CODES = frozenset(
    {
        "INSUFFICIENT_ACCESS",
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "REQUEST_LIMIT_EXCEEDED",
        "API_DISABLED_FOR_ORG",
    }
)


@dataclass
class ApiError(Exception):
    """Ends the request with `status` and the JSON array Salesforce puts errors in.

    `fields` is written only when it is not None: query errors carry no `fields`, record errors always do.
    """

    status: int
    code: str
    message: str
    fields: tuple[str, ...] | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def body(self) -> list[dict[str, object]]:
        """The reply's JSON. `NOT_FOUND` puts its code first in the recorded replies; the others do not."""
        if self.code == "NOT_FOUND":
            return [{"errorCode": self.code, "message": self.message}]
        item: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            item["fields"] = list(self.fields)
        return [item]


@dataclass
class RecordError(Exception):
    """Why one record was refused: a status code, a message as Salesforce words it, and the fields to blame."""

    code: str
    message: str
    fields: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def status(self) -> int:
        """The HTTP status when a single-record call fails with this error."""
        if self.code in NOT_FOUND_CODES:
            return 404
        return 403 if self.code in FORBIDDEN_CODES else 400

    def as_api_error(self) -> ApiError:
        return ApiError(self.status, self.code, self.message, self.fields)

    def as_row(self) -> dict[str, object]:
        """The error of one row in a collection reply, where the code's key is `statusCode`."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def as_bulk(self) -> str:
        """`CODE:message:FieldA FieldB --`, the text of `sf__Error` in a bulk result file."""
        return f"{self.code}:{self.message}:{' '.join(self.fields) + ' ' if self.fields else ''}--"


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    return ApiError(404, "NOT_FOUND", message)


def no_such_column(name: str, sobject: str) -> RecordError:
    """A field that does not exist and a field the user may not see look the same from outside."""
    return RecordError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject}")
