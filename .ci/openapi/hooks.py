"""What the document cannot say of a request, and the fuzzer therefore not know.

The document describes each field by itself. What the node asks beyond that is told by the problem
it answers with, so that problem decides whether a refusal counts, not the route: everything else
that the document calls valid must be accepted.
"""

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

# Only the node can make these. Invalid requests keep them, and must be refused.
OPAQUE = {"query": ("cursor",), "headers": ("Consistency-Token", "If-Match"), "body": ("cursor",)}

# Statuses that depend on what there is, not on the form of a request: a state, a condition, a key
# that is bound already.
OF_THE_MOMENT = (409, 412, 422)

# Rules about several fields at once.
BEYOND_ONE_FIELD = (
    "can be relevance only with a text",
    "must have a total above 0",
    "must be the sum of the lines",
    "must have a sum of at most",
    "is required, or lines are",
    "is required: nobody",
    "must be STUCK",
)


def is_beyond_one_field(response):
    if response.status_code != 400:
        return False
    errors = response.json().get("errors", [])
    return bool(errors) and all(error["message"].startswith(BEYOND_ONE_FIELD) for error in errors)


def has_amount_as_number(value):
    """The node reads these. The document does not show them, because the clients that are generated
    from it would take amounts for floats."""
    if isinstance(value, list):
        return any(has_amount_as_number(item) for item in value)
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("amount"), (int, float)) or any(
        has_amount_as_number(item) for item in value.values()
    )


def is_token_of_a_look_back(failure, case):
    """The past comes from the history, which is there at once: no token has a say."""
    looks_back = {"asOf", "asOfVersion"} & set(case.query or {})
    return bool(looks_back) and "parameter `Consistency-Token`" in failure.message


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    for container, names in OPAQUE.items():
        part = getattr(case, container)
        for name in names:
            if hasattr(part, "pop") and name in part:
                part.pop(name)

    # One point in the past at a time.
    if "asOfVersion" in (case.query or {}):
        case.query.pop("asOf", None)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if isinstance(failure, RejectedPositiveData):
        return response.status_code not in OF_THE_MOMENT and not is_beyond_one_field(response)
    if isinstance(failure, AcceptedNegativeData):
        return not has_amount_as_number(case.body) and not is_token_of_a_look_back(failure, case)
    return True
