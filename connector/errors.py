"""What went wrong, named by what the caller does next; and the one table from Salesforce codes to it.

An error carries the code, the HTTP status, the object and field names: never a token, a SOQL text or a
record's value, because messages of the API quote all three. Messages are localized: nothing matches on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from connector.limits import SLOW_SECONDS


class SyncError(Exception):
    """Everything raised on purpose here. The subclass says what to do next; `hint` says it to a person."""

    step = "Look at the code below; nothing was assumed about it."

    def __init__(
        self,
        code: str,
        *,
        status: int | None = None,
        sobject: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
        sent: bool = True,
    ) -> None:
        self.code = code
        self.status = status
        self.sobject = sobject
        self.detail = detail  # our own words, or names of fields and objects
        self.retry_after = retry_after  # seconds that the server asked us to wait
        self.sent = sent  # False: the request never left, so nothing can have happened
        self.at: int | None = None  # which query of a poll, counted from 0
        self.gave_up = False  # it was repeated as often as it may be
        self.waited = 0.0  # seconds that the org had for it, where it may take long
        self.timed_out = False  # it had all the time that it may take, and gave no answer
        self._hint = hint
        super().__init__(code)

    @property
    def slow(self) -> bool:
        """Whether the org was at work for long: the same again would take as long again. It was not at what never left:
        there it is the network."""
        return self.sent and self._took_long

    @property
    def _took_long(self) -> bool:
        return self.timed_out or self.waited >= SLOW_SECONDS or self.code == "REQUEST_RUNNING_TOO_LONG"

    @property
    def hint(self) -> str:
        """The next step, for people."""
        return self._hint or HINTS.get(self.code) or self.step

    def __str__(self) -> str:
        place = f" on {self.sobject}" if self.sobject else ""
        http = f" (HTTP {self.status})" if self.status else ""
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.code}{place}{http}{detail}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class Transient(SyncError):
    """The same call may work in a while."""

    step = "It is retried by itself; if it stays, look at the org's status page and the network."


class WindowLost(Transient):
    """The pages of this query are gone. Read this window again from its start."""

    step = "The window is read again from its start; nothing was applied."


class WindowTooWide(WindowLost):
    """The org gave up on the query. Read the window again in halves."""

    step = "The window is cut, so that each part has half of the rows, and read again."


def is_too_much(error: SyncError) -> bool:
    """Whether a read was more than the org does in one request: it gave up, or was silent for as long as it may be."""
    return isinstance(error, WindowTooWide) or (isinstance(error, Transient) and error.slow)


def may_pass(error: SyncError) -> bool:
    """Whether a stream that stopped at it may be read later with nobody having mended anything. The job of a read whose
    creation was not confirmed is an idle one."""
    return isinstance(error, (Transient, Ambiguous))


def is_of_one_read(error: SyncError) -> bool:
    """Whether the org answered that it cannot do this one read, as often as it was asked: of other objects that says
    nothing. No answer at all, or none now (503, too many requests), is the network or the whole org."""
    if not may_pass(error) or isinstance(error, StillRunning):
        return False
    return isinstance(error, WindowLost) or error.at is not None or error.status == 500


class BulkJobFailed(WindowTooWide):
    """A bulk job ended as Failed or Aborted. `job_id` is the place to look in Setup."""

    step = "See Setup > Bulk Data Load Jobs in the org for the job named above."

    def __init__(
        self, code: str, *, job_id: str, sobject: str | None = None, detail: str | None = None
    ) -> None:
        super().__init__(code, sobject=sobject, detail=f"job {job_id}" + (f", {detail}" if detail else ""))
        self.job_id = job_id


class StillRunning(Transient):
    """We stopped waiting for a job that goes on. `job_id` resumes it."""

    step = "The job goes on in the org; the next run takes it up where it stands."

    def __init__(self, code: str, *, job_id: str, sobject: str | None = None) -> None:
        super().__init__(code, sobject=sobject, detail=f"job {job_id}")
        self.job_id = job_id


class Ambiguous(SyncError):
    """The write may have been done. Send the same key again, or read back, before anything else."""

    step = "The outcome is read back from the org by key before anything is sent again."


class RowRefused(SyncError):
    """This record is refused, the others are fine: set it aside with its reason."""

    step = "Mend the record or the rule that refused it, then: rebates outbox retry"


class AutomationFailed(RowRefused):
    """A trigger or flow of the org's own failed on this record: try it a few more times, then set it aside.

    Often it had waited in vain for a lock (the code then stands for UNABLE_TO_LOCK_ROW inside), often it will fail for
    ever. Its text may or may not name the inner code (decision 0105), so only trying again tells the two apart.
    """

    step = "Look at the flow or trigger that the row's message names, then: rebates outbox retry"


class Misconfigured(SyncError):
    """A person must change something: a setting, a field, a permission. The stream stops."""

    step = "Run: rebates doctor"


class WrongOrg(Misconfigured):
    """The login leads to another org than the one that is pinned."""

    step = "Check org_id, the login and the instance URL; a refreshed sandbox has a new id."


class UnknownReply(Misconfigured):
    """A code or an answer that the table below does not know: loud, so that it gets a line there."""

    step = "This answer is not known here. Please report its code and HTTP status."


class QuotaReached(SyncError):
    """The day's API calls, or our share of them, are used up. Park until the next window."""

    step = "The run goes on in the next window; raise api_budget_share if the org can spare it."


def is_bulk_quota(error: SyncError) -> bool:
    """Whether the org takes no more bulk jobs until its window rolls on, while other calls may well be left."""
    return isinstance(error, QuotaReached) and error.code in {"EXCEEDEDQUOTA", "EXCEEDED_QUOTA"}


class AuthenticationFailed(SyncError):
    """The org does not accept this login. Never tried again by itself: that would lock the user out."""

    step = "Check the login of this org, then: rebates doctor"


Step = type[SyncError]

# One table: the code in capitals (OAuth writes invalid_grant, Bulk InvalidJob), then the HTTP status (None: any).
# Rows of a collection or bulk result are looked up without a status. NOT_SENT, UNPROCESSED, OUTCOME_UNKNOWN,
# NUMBER_NOT_EXACT, API_BUDGET_SHARE, ORG_NEARLY_EXHAUSTED and CANNOT_SEND_NOTIFICATIONS are our own; the others are
# ExceptionCode and StatusCode values of the SOAP API Developer Guide and error codes of the Bulk and OAuth guides.
_TABLE: dict[tuple[str, int | None], Step] = {}


def _all(step: Step, codes: str, status: int | None = None) -> None:
    _TABLE.update({(code, status): step for code in codes.split()})


_all(
    Transient,
    "UNABLE_TO_LOCK_ROW SERVER_UNAVAILABLE UNKNOWN_EXCEPTION TXN_SECURITY_METERING_ERROR REQUEST_RUNNING_TOO_LONG"
    " INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE TEMPORARY_QUERY_MORE_FAILURE PROCESSING_HALTED"
    " ALL_OR_NONE_OPERATION_ROLLED_BACK MATCH_PRECONDITION_FAILED NOT_SENT UNPROCESSED BATCH_PROCESSING_HALTED"
    " TERRITORY_REALIGN_IN_PROGRESS TOO_MANY_APEX_REQUESTS"
    # Of the login, with status 400: "retry your request"; the other two are RFC 6749's.
    " UNKNOWN_ERROR SERVER_ERROR TEMPORARILY_UNAVAILABLE",
)
_all(
    WindowLost,
    "INVALID_QUERY_LOCATOR QUERY_LOCATOR_EXPIRED QUERY_LOCATOR_NOT_FOUND INVALIDLOCATOR API_VERSION_CONFLICT",
)
_all(WindowTooWide, "QUERY_TIMEOUT QUERY_TOO_COMPLICATED OPERATION_TOO_LARGE EXCEEDED_ID_LIMIT")
# Two upserts of one new key within a second: the second is answered so. Or an earlier send got through.
_all(Ambiguous, "DUPLICATE_VALUE OUTCOME_UNKNOWN DUPLICATE_EXTERNAL_ID")
_all(
    RowRefused,
    "ENTITY_IS_DELETED ENTITY_IS_LOCKED INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY FIELD_INTEGRITY_EXCEPTION"
    " INVALID_CROSS_REFERENCE_KEY REQUIRED_FIELD_MISSING STRING_TOO_LONG NUMBER_OUTSIDE_VALID_RANGE"
    " FIELD_CUSTOM_VALIDATION_EXCEPTION DUPLICATES_DETECTED"
    " INACTIVE_OWNER_OR_USER TRANSFER_REQUIRES_READ FAILED_ACTIVATION MALFORMED_ID FIELD_FILTER_VALIDATION_EXCEPTION"
    " INVALID_EMAIL_ADDRESS INVALID_STATUS INVALID_ID_FIELD NUMBER_NOT_EXACT DUPLICATE_USERNAME CIRCULAR_DEPENDENCY DELETE_FAILED DEPENDENCY_EXISTS UNDELETE_FAILED INVALID_TYPE_ON_FIELD_IN_RECORD"
    " STANDARD_PRICE_NOT_DEFINED CANNOT_DELETE_MANAGED_OBJECT OP_WITH_INVALID_USER_TYPE_EXCEPTION"
    " INVALID_FIELD_WHEN_USING_TEMPLATE INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS MISSING_ARGUMENT"
    # It waits for an approval, or may not be handed to one.
    " ALREADY_IN_PROCESS NO_APPLICABLE_PROCESS MANAGER_NOT_DEFINED"
    " CANNOT_REPARENT_RECORD CHILD_SHARE_FAILS_PARENT ENTITY_IS_ARCHIVED INVALID_CROSS_REFERENCE_TYPE_FOR_FIELD"
    " INVALID_OWNER INVALID_PERSON_ACCOUNT_OPERATION MAXIMUM_HIERARCHY_CHILDREN_REACHED"
    " MAXIMUM_HIERARCHY_LEVELS_REACHED MAXIMUM_HIERARCHY_TREE_SIZE_REACHED MAX_TASK_DESCRIPTION_EXCEEEDED MISSING_RECORD"
    " MIXED_DML_OPERATION RELATED_ENTITY_FILTER_VALIDATION_EXCEPTION SHARE_NEEDED_FOR_CHILD_OWNER"
    " TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET UNAVAILABLE_REF",
)
_all(
    AutomationFailed,
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER APEX_ERROR CUSTOM_APEX_ERROR FLOW_EXCEPTION"
    " MAX_DEPTH_IN_FLOW_EXECUTION RECORD_IN_USE_BY_WORKFLOW SELF_REFERENCE_FROM_FLOW SELF_REFERENCE_FROM_TRIGGER",
)
_all(Transient, "APEX_ERROR", 500)  # the answer to a whole request: a server error like others
# A refusal of the whole request for lack of rights is not about one row.
_all(Misconfigured, "INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_OR_READONLY", 403)
_all(
    Misconfigured,
    "API_DISABLED_FOR_ORG API_CURRENTLY_DISABLED NOT_FOUND MALFORMED_QUERY INVALID_FIELD INVALID_TYPE"
    " INVALID_FIELD_FOR_INSERT_UPDATE JSON_PARSER_ERROR INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    " STORAGE_LIMIT_EXCEEDED LIMIT_EXCEEDED METHOD_NOT_ALLOWED INVALID_REPLICATION_DATE UNSUPPORTED_API_VERSION"
    " INVALIDVERSION INVALIDENTITY INVALIDJOB INVALIDBATCH FEATURENOTENABLED FUNCTIONALITY_NOT_ENABLED"
    " INVALID_OPERATION INVALID_QUERY_SCOPE INVALID_QUERY_FILTER_OPERATOR INVALIDJOBSTATE"
    " UNSUPPORTED_MEDIA_TYPE ILLEGAL_QUERY_PARAMETER_VALUE EXCEEDED_MAX_SEMIJOIN_SUBSELECTS POST_BODY_PARSE_ERROR"
    " DUPLICATE_DEVELOPER_NAME INVALID_HTTP_METHOD INVALID_PARAMETER INVALID_TYPE_FOR_OPERATION MALFORMED_REQUEST"
    " API_ERROR MULTIPLE_CHOICES URI_TOO_LONG CLIENT_INPUT_ERROR INVALID_CSV_ROW INVALID_FILE INVALID_INPUT"
    " FORBIDDEN CANNOT_SEND_NOTIFICATIONS INVALID_API_INPUT INVALID_API_NAME FIELD_NOT_UPDATABLE"
    " INVALID_CURRENCY_ISO INVALID_ENTITY_FOR_UPSERT INVALID_READ_ONLY_USER_DML LICENSE_LIMIT_EXCEEDED"
    " PACKAGE_DISABLED PACKAGE_LICENSE_REQUIRED REQUIRED_FEATURE_MISSING TOO_MANY_ENUM_VALUE"
    " UNAVAILABLE_RECORDTYPE_EXCEPTION",
)
_all(
    QuotaReached, "REQUEST_LIMIT_EXCEEDED EXCEEDED_QUOTA EXCEEDEDQUOTA API_BUDGET_SHARE ORG_NEARLY_EXHAUSTED"
)
_all(
    AuthenticationFailed,
    "INVALID_SESSION_ID INVALID_AUTH_HEADER INVALIDSESSIONID BAD_OAUTH_TOKEN URL_NOT_RESET INVALID_LOGIN"
    " INVALID_GRANT INVALID_CLIENT INVALID_CLIENT_ID UNAUTHORIZED_CLIENT UNSUPPORTED_GRANT_TYPE INVALID_REQUEST"
    " ACCESS_DENIED APP_NOT_FOUND LOGIN_RATE_EXCEEDED INVALID_SCOPE INACTIVE_USER INACTIVE_ORG",
)

STEPS: Mapping[tuple[str, int | None], Step] = MappingProxyType(_TABLE)

# What a code means for records that are written, where it means something else for those that are read. A write has no
# window to cut: more records in one call than the org takes is a fault of ours, and the same call would meet it again.
_OF_WRITES: Mapping[str, Step] = MappingProxyType({"EXCEEDED_ID_LIMIT": UnknownReply})

# Answers that came without a code that we could read.
_BY_STATUS: Mapping[int, Step] = MappingProxyType(
    {
        300: Misconfigured,
        401: AuthenticationFailed,
        404: Misconfigured,
        405: Misconfigured,
        408: Transient,
        409: WindowLost,
        410: Misconfigured,
        412: Transient,
        414: Misconfigured,
        415: Misconfigured,
        420: Transient,
        425: Transient,
        429: Transient,
        431: Misconfigured,
        500: Transient,
        502: Transient,
        503: Transient,
        504: Transient,
    }
)

# What the validation rule of our package answers when a newer standing is already in the org. Our own text,
# the same in every language: the only message that anything here recognizes.
STALE_SEQUENCE = "RB_STALE_SEQ"

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "INVALID_FIELD": "Grant field-level security for it in the permission set Rebate_Sync_Integration, or mend the mapping: rebates mapping check",
        "INVALID_FIELD_FOR_INSERT_UPDATE": "Make the field editable for the integration user: rebates doctor",
        "INVALID_TYPE": "The object does not exist for this user: rebates mapping check",
        "NOT_FOUND": "The object or external id is not visible: rebates org deploy, then rebates doctor",
        "INVALIDJOB": "The object or external id is not visible: rebates org deploy, then rebates doctor",
        "REQUEST_LIMIT_EXCEEDED": "The org's daily API calls are used up; the run goes on in the next window.",
        "EXCEEDEDQUOTA": "The org's bulk jobs of 24 hours are used up: see who makes them in Setup > Bulk Data Load Jobs; it goes on by itself when the window rolls on.",
        "API_BUDGET_SHARE": "Our share of the org's calls is used up; raise api_budget_share or wait.",
        "STORAGE_LIMIT_EXCEEDED": "The org is out of data storage; free some, then: rebates outbox retry",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "Add the value to the picklist or mend the mapping.",
        "INVALID_CURRENCY_ISO": "Activate the currency in Setup > Manage Currencies, or mend the mapping, then: rebates outbox retry",
        "API_DISABLED_FOR_ORG": "Give the integration user the API Enabled permission.",
        "UNSUPPORTED_API_VERSION": "Set api_version to one that the org lists.",
        "unknown_error": "The login server asked to try again, and it is tried again by itself; if it stays, log in at the My Domain URL (token_url).",
        "NO_CONNECTION": "Check instance_url and the network; nothing was changed.",
        "REDIRECT_REFUSED": "Use the My Domain URL itself (Setup > My Domain) as instance_url.",
        "NUMBER_NOT_EXACT": "The amount has more than 15 digits; the API would round it.",
    }
)


def classify(code: str | None, status: int | None, *, is_write: bool = False) -> Step:
    """The next step after a whole request failed. Codes before statuses; an unknown pair is `UnknownReply`."""
    if status == 401:
        return AuthenticationFailed  # whatever the body says
    if code is not None:
        upper = code.upper()
        if is_write and upper in _OF_WRITES:
            return _OF_WRITES[upper]
        step = STEPS.get((upper, status)) or STEPS.get((upper, None))
        if step is not None:
            return step
        if status is not None and status >= 500:
            return Transient  # a server error whose code we do not know is still a server error
        return UnknownReply
    if status is None:
        return UnknownReply
    if 301 <= status <= 308:
        return Misconfigured
    return _BY_STATUS.get(status) or (Transient if status >= 500 else UnknownReply)


def classify_row(code: str) -> Step:
    """The next step for one record of a collection or bulk job that was answered with `code`."""
    upper = code.upper()
    return _OF_WRITES.get(upper) or STEPS.get((upper, None), UnknownReply)
