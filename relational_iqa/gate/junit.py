"""The results of a gate as JUnit XML, which CI systems read (the schema of Jenkins and of pytest).

A picture that failed is a failure, one that could not be compared an error, an undecided one is skipped.
"""

import xml.etree.ElementTree as ElementTree

from distortion_engine.jobs.printable import printable
from relational_iqa.gate.verdicts import Outcome, counts
from relational_iqa.gate.words import Results


def junit(results: Results, suite: str = "riqa check") -> bytes:
    """The file."""
    found = counts(results.outcomes)
    numbers = {
        "tests": len(results.outcomes), "failures": found["failed"], "errors": found["error"],
        "skipped": found["undecided"], "time": f"{results.seconds:.3f}",
    }  # fmt: skip
    attributes = {name: str(value) for name, value in numbers.items()}
    root = ElementTree.Element("testsuites", attributes)
    tests = ElementTree.SubElement(root, "testsuite", {"name": suite, **attributes})
    for outcome in results.outcomes:
        _add(tests, outcome, results)
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _add(tests: ElementTree.Element, outcome: Outcome, results: Results) -> None:
    folder, _, name = outcome.name.rpartition("/")
    place = ".".join(["riqa", printable(results.labels[0]).replace("/", "."), *folder.split("/")]).rstrip(".")
    case = ElementTree.SubElement(
        tests, "testcase", {"classname": place, "name": printable(name), "time": f"{outcome.seconds:.3f}"}
    )
    problems = [printable(problem) for problem in outcome.verdict.problems]
    sentence = [] if outcome.measured is None else [printable(outcome.measured.sentence)]
    kind = {"failed": "failure", "error": "error", "undecided": "skipped"}.get(outcome.status)
    if kind is None:
        if sentence:
            ElementTree.SubElement(case, "system-out").text = sentence[0]
        return
    told = ElementTree.SubElement(case, kind, {"message": "; ".join(problems)})
    if kind != "skipped":
        told.set("type", "worse" if kind == "failure" else "unusable")
    accept = results.accept_only(outcome) if kind != "error" else ""
    report = [f"report: {outcome.report}"] if outcome.report else []
    told.text = "\n".join([*problems, *sentence, *report, *([f"accept it: {printable(accept)}"] if accept else [])])
