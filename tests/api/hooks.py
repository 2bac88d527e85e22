"""What the description cannot say, so that what should be taken is."""

import schemathesis
from hypothesis import strategies as st

# Names of rooms that exist, that do not, and that the plain writer may not open.
ROOMS = ["docs/plan", "docs/empty", "docs/café", "a b", "tutti/stats"]
# Parameters that exclude each other: the second is left out.
EXCLUSIVE = [("format", "root"), ("before", "wait")]

schemathesis.openapi.format("room-name", st.sampled_from(ROOMS))


def whole(value):
    """Whole numbers as uint64 has them, without a fraction: to JSON Schema 1.0 is one, too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2**64:
        return value % 2**64
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query or {}
    if "wait" in query and str(query["wait"]).isdigit():
        query["wait"] = min(int(query["wait"]), 1)
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if isinstance(case.body, (dict, list)):
        case.body = whole(case.body)
    query.update(whole(dict(query)))
    if query.get("format") == "yjs":
        query.pop("root", None)
    if "before" in query or "after" not in query:
        query.pop("wait", None)
    if "If-Match" in (case.headers or {}):
        case.headers.pop("If-None-Match", None)
