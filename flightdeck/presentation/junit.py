"""A verdict as JUnit XML: one test case per guardrail and limit, and one for what concerns the evidence or the policy.

What is not decided (INCONCLUSIVE, NODATA) is an ``error``, a test that could not be carried out: a report in which it
was skipped would be green.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree import ElementTree as ET

from flightdeck.judge.gate import status_of
from flightdeck.models.verdict import Status, Verdict, VerdictReason
from flightdeck.presentation.judged import Judged, Row, method, rows

SUITE = "flightdeck"


def junit(judged: Judged) -> str:
    """The document; no line end after the last line."""
    verdict = judged.verdict
    suite = ET.Element("testsuite", id="0", package=SUITE)
    properties = ET.SubElement(suite, "properties")
    for name, value in _about(judged).items():
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    for row in rows(verdict):
        reasons = [reason for reason in verdict.reasons if reason.name == row.name]
        _case(suite, f"{row.name} ({row.margin})", row.status, reasons, _numbers(row))
    _case(suite, "evidence", _evidence(verdict), [reason for reason in verdict.reasons if not reason.name], "")
    if (policy := judged.policy) is not None:
        against = [VerdictReason(code="policy", message=message) for message in policy.reasons]
        _case(suite, "policy", "PASS" if policy.passed else "FAIL", against, "")
    for name, value in {
        "name": f"{SUITE}: {_clean(judged.candidate)} against {_clean(judged.baseline)}",
        "tests": str(len(suite.findall("testcase"))),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": str(len(suite.findall("testcase/error"))),
        "skipped": "0",
        "time": "0",
        "timestamp": _timestamp(verdict),
        "hostname": SUITE,
    }.items():
        suite.set(name, value)
    ET.SubElement(suite, "system-out").text = _clean("\n".join(warning.message for warning in verdict.warnings))
    ET.SubElement(suite, "system-err")
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _about(judged: Judged) -> dict[str, str]:
    return {
        "baseline": judged.baseline,
        "candidate": judged.candidate,
        "environment": judged.environment,
        "window": judged.window,
        "verdict": judged.verdict.status,
        "method": method(judged.verdict),
    }


def _case(suite: ET.Element, name: str, status: Status, reasons: list[VerdictReason], numbers: str) -> None:
    case = ET.SubElement(suite, "testcase", name=_clean(name), classname=SUITE, time="0")
    if status == "PASS":
        return
    said = _clean("; ".join(reason.message for reason in reasons)) or status
    child = ET.SubElement(case, "failure" if status == "FAIL" else "error", message=said, type=status)
    child.text = _clean(numbers)


def _evidence(verdict: Verdict) -> Status:
    """What is to be said of the evidence as a whole: not decided, where a reason names no guardrail or limit."""
    whole = [status_of(reason, verdict) for reason in verdict.reasons if not reason.name]
    return whole[0] if whole else "PASS"


def _numbers(row: Row) -> str:
    known = {
        "baseline": row.baseline,
        "candidate": row.candidate,
        "change": row.change,
        "margin": row.margin,
        "runs": row.runs,
    }
    return "\n".join(f"{name}: {value}" for name, value in known.items() if value)


def _timestamp(verdict: Verdict) -> str:
    """ISO 8601 without a zone, as the format wants it."""
    if verdict.as_of is None:
        return "1970-01-01T00:00:00"
    return datetime.fromisoformat(verdict.as_of).replace(tzinfo=None).isoformat(timespec="seconds")


def _clean(said: str) -> str:
    """Without the characters that XML can't hold."""
    return "".join(
        character
        if character in "\t\n"
        or " " <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character > "\uffff"
        else "\ufffd"
        for character in said
    )
