"""An AdmissionReview v1 of one of our documents: allowed, or denied with what ``foretide check`` says of it.

One document is looked at, by the code that reads files. What it has to do with others (a rule for a workload that has
one, an SLO that is not there) is a warning, where the others can be read: documents come in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.admission_others import UNREAD, Others, against
from app.check import check_query
from domain.errors import ForetideError, Mistake
from rules.objects import as_document
from rules.validate import validate
from rules.yaml_tree import MAX_MISTAKES

API_VERSION: Final = "admission.k8s.io/v1"
_CHECKED: Final = ("CREATE", "UPDATE")
_LONGEST_WARNING: Final = 250
"""The API server cuts after 256."""


class NoReviewError(ForetideError):
    """What was sent is no AdmissionReview."""


def reviewed(asked: object, others: Others | None = None) -> dict[str, Any]:
    """The answer to an AdmissionReview.

    Raises:
        NoReviewError: It is none.
    """
    request = asked.get("request") if isinstance(asked, dict) else None
    if not isinstance(asked, dict) or asked.get("apiVersion") != API_VERSION or not isinstance(request, dict):
        raise NoReviewError(f"expected an AdmissionReview of {API_VERSION} with a request")
    if not isinstance(request.get("uid"), str):
        raise NoReviewError("expected request.uid")
    answer = _answer(request, others)
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": {"uid": request["uid"], **answer}}


def _answer(request: Mapping[str, Any], others: Others | None) -> dict[str, Any]:
    if request.get("operation") not in _CHECKED or request.get("subResource"):
        return {"allowed": True}
    sent, namespace = request.get("object"), request.get("namespace") or "default"
    document = as_document(sent if isinstance(sent, dict) else {}, file="", namespace=namespace)
    found = validate(document, check_query=check_query)
    if found.mistakes:
        message = "\n".join(map(_said, found.mistakes[:MAX_MISTAKES]))
        return {"allowed": False, "status": {"code": 422, "reason": "Invalid", "message": message}}
    standing = () if others is None else others()
    between = against(document, standing) if others is not None and standing is not None else []
    warnings = [_said(one)[:_LONGEST_WARNING] for one in (*found.warnings, *between)]
    warnings += [UNREAD] if standing is None else []
    return {"allowed": True, **({"warnings": warnings} if warnings else {})}


def _said(mistake: Mistake) -> str:
    return f"{mistake.field}: {mistake.message}" if mistake.field else mistake.message
