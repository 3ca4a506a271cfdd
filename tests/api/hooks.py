"""What requests that are made out of the API's document need beside it."""

import json
import os
import re
import uuid

import schemathesis
from schemathesis.openapi.checks import IgnoredAuth, RejectedPositiveData, UseAfterFree

FIELDS = re.compile(r"[a-z0-9_]+([.][a-z0-9_]+)*(,[a-z0-9_]+([.][a-z0-9_]+)*)*")
IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")

# Only the long runs insist that no schema is wider than the server. Which members are tried together
# depends on what was answered before, so a short run would find another one each time.
STRICT = os.environ.get("CONCLAVE_SOAK") == "1"

# Members of bodies that are refused although their schema is kept, and why no schema says it.
SAID_IN_WORDS = {
    # A key has a level or scopes, a filter rooms or tags: two members that need each other.
    "/scopes",
    "/rooms",
    # Of several members exactly one, or at least one, has to be there.
    "/participant",
    "/knocks",
    "/all",
    # The room has a role of this name, or it has not.
    "/custom_role",
    # There has to be a name to be locked.
    "/name_locked",
    # Roles have different names, and none is based on the host.
    "/custom_roles",
    # It is in the future, or after another time; of many links at once it is said of each person.
    "/people",
    "/expires_at",
    "/closes_at",
    # Not every 32 bytes are a point of the curve.
    "/public_key",
    # Networks and addresses are read, not matched.
    "/network",
    "/networks",
    "/allowed_networks",
    # Which hosts are public is not a matter of their names.
    "/url",
}


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query if isinstance(case.query, dict) else {}
    # With `fields` members are left out that the schema of an answer calls required; tests of ours
    # hold that against the schema. One that cannot be is still sent, and must be refused.
    fields = query.get("fields")
    if isinstance(fields, str) and FIELDS.fullmatch(fields):
        del query["fields"]
    headers = case.headers or {}
    # The same key with another body is refused, as it should be; the generator likes to repeat
    # itself, so each has one of its own.
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and IDEMPOTENCY_KEY.fullmatch(key):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    # Made for want of another one, against the pattern, and yet called valid.
    if headers.get("If-Match") == "":
        del headers["If-Match"]
    # The key that all of this is done with ends with an operation's success. It ends last.
    own = context_key(kwargs)
    path = case.path_parameters or {}
    if case.operation.path.startswith("/api-keys/{key}") and path.get("key") == own:
        path["key"] = "key_01h455vb4pex5vsknk084sn02q"


def context_key(kwargs):
    """Returns the identifier of the key that the run itself has."""
    said = (kwargs.get("headers") or {}).get("Authorization", "")
    match = re.fullmatch(r"Bearer ck_([0-9a-z]{26})_.*", said)
    return match and f"key_{match[1]}"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    # Whoever tries many wrong keys is made to wait before the next is looked at.
    if isinstance(failure, IgnoredAuth) and "429" in failure.message:
        return False
    # A key that has ended is still shown, as one that has: the audit log speaks of it.
    if isinstance(failure, UseAfterFree) and case.operation.path == "/api-keys/{key}":
        return json.loads(response.content).get("state") != "revoked"
    # Nor does a pattern say what a table is.
    if isinstance(failure, RejectedPositiveData) and case.media_type == "text/csv" and response.status_code == 400:
        return False
    if isinstance(failure, RejectedPositiveData) and response.status_code == 422:
        errors = json.loads(response.content).get("errors", [])
        # A refusal has to name the member, at least.
        return not errors or (STRICT and not any(in_words(error["pointer"]) for error in errors))
    return True


def in_words(pointer):
    return any(pointer == known or pointer.startswith(known + "/") for known in SAID_IN_WORDS)
