"""What a field permission made over the API must be: about a field that is there, of that object, and can have one.

Source: Object Reference, "FieldPermissions": edit includes read; required fields and formulas are restricted.
"""

from __future__ import annotations

from emulator.errors import RecordError
from emulator.permission_metadata import field_problem
from emulator.rules import BEFORE, Write, rule


@rule(BEFORE, "FieldPermissions")
def field_permission(write: Write) -> None:
    """Assumed: an edit permission without the read permission brings it along, as in the API's own examples."""
    schema, name = write.org.schema, str(write.new["Field"])
    owner, _, rest = name.partition(".")
    sobject = schema.sobject(owner)
    if sobject is None or sobject.field(rest) is None:
        raise RecordError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"Field Name: bad value for restricted picklist field: {name}",
            ("Field",),
        )
    if sobject.name.lower() != str(write.new["SobjectType"]).lower():
        message = f"Entity and field do not match: {write.new['SobjectType']} and {name}"
        raise RecordError("FIELD_INTEGRITY_EXCEPTION", message, ("SobjectType", "Field"))
    if write.new.get("PermissionsEdit"):
        write.new["PermissionsRead"] = 1
    problem = field_problem(schema, name, editable=bool(write.new.get("PermissionsEdit")))
    if problem:
        raise RecordError("FIELD_INTEGRITY_EXCEPTION", problem, ("Field",))
