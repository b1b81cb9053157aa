"""Error bodies of the API, read tolerantly: array, object, OAuth or Bulk; and the names in them that may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One error as the org stated it. `message` is for people at the org's side and never raised or logged."""

    code: str
    message: str | None = None
    fields: tuple[str, ...] = ()


def problems_in(body: object) -> tuple[Problem, ...]:
    """Reads every error shape the API has: array, object, OAuth, Bulk. Unreadable parts are left out."""
    items = body if isinstance(body, list) else [body]
    found: list[Problem] = []
    for item in items:
        if not isinstance(item, dict):
            continue
        code = next(
            (
                item[key]
                for key in ("errorCode", "statusCode", "exceptionCode", "error")
                if isinstance(item.get(key), str)
            ),
            None,
        )
        if code is None:
            # An action answers each of its inputs with a list of errors of its own.
            nested = item.get("errors")
            found += problems_in(nested) if isinstance(nested, list) else ()
            continue
        message = item.get("message") or item.get("error_description") or item.get("exceptionMessage")
        fields = item.get("fields")
        names = tuple(f for f in fields if isinstance(f, str)) if isinstance(fields, list) else ()
        found.append(Problem(code, message if isinstance(message, str) else None, names))
    return tuple(found)


_NAME = r"[A-Za-z][\w.]{0,120}"
_COLUMN = re.compile(rf"column '({_NAME})' on (?:entity|sobject of type) '?({_NAME})'?")
_TYPE = re.compile(rf"sObject type '({_NAME})' is not supported")


def names_in(problem: Problem) -> str | None:
    """The field or object an error is about, for people: names only, whatever else the message quotes."""
    if problem.fields:
        names = [name for name in problem.fields if re.fullmatch(_NAME, name)]
        return "field " + ", ".join(names) if names else None
    if problem.code not in {"INVALID_FIELD", "INVALID_TYPE"} or not problem.message:
        return None
    if column := _COLUMN.search(problem.message):
        return f"no field {column[1]} on {column[2]}"
    if kind := _TYPE.search(problem.message):
        return f"no object {kind[1]}"
    return None
