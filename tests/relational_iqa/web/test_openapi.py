"""The interface of riqa serve for programs: what the document says and what the server does are one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from torch import Tensor

from distortion_engine.reading.image_io import encode_lossless, to_uint8
from experiments.docs_tables import openapi as table
from relational_iqa.version import __version__
from relational_iqa.web import app as web
from relational_iqa.web.openapi import STATUSES, openapi

LOCAL = "http://127.0.0.1"
JSON = {"Accept": "application/json"}
PYTHON = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
    "number": (int, float),
}  # fmt: skip


def wrong_in(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """What of a value does not fit a schema: the parts of JSON Schema 2020-12 that the document uses."""
    if "$ref" in schema:
        return wrong_in(value, openapi()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], where)
    if "oneOf" in schema:
        fitting = [one for one in schema["oneOf"] if not wrong_in(value, one, where)]
        return [] if len(fitting) == 1 else [f"{where}: fits {len(fitting)} of oneOf"]
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", list(PYTHON))
    right = [kind for kind in kinds if isinstance(value, PYTHON[kind]) and (kind == "boolean" or value is not True)]
    if not right and not (isinstance(value, bool) and "boolean" in kinds):
        return [f"{where}: {value!r} is not of {kinds}"]
    wrong = [f"{where}: {value!r}"] if "enum" in schema and value not in schema["enum"] else []
    if isinstance(value, dict):
        known = schema.get("properties", {})
        wrong += [f"{where}: has no {name}" for name in schema.get("required", []) if name not in value]
        if schema.get("additionalProperties") is False:
            wrong += [f"{where}: has {name}" for name in value if name not in known]
        for name, each in value.items():
            wrong += wrong_in(each, known[name], f"{where}.{name}") if name in known else []
    if isinstance(value, list) and "items" in schema:
        wrong += [line for i, each in enumerate(value) for line in wrong_in(each, schema["items"], f"{where}[{i}]")]
    return wrong


@pytest.fixture(name="client")
def local_client(random_model: Any) -> Iterator[TestClient]:
    with TestClient(web.create_app(random_model, max_mb=1.0, max_pixels=40_000), base_url=LOCAL) as opened:
        yield opened


@pytest.fixture(name="parts")
def form_parts(versions: list[Tensor]) -> list[tuple[str, tuple[str, bytes]]]:
    """Five versions of a scene as parts of a form."""
    content = [encode_lossless(to_uint8(version), ".png") for version in versions]
    return [("images", (f"{number}.png", each)) for number, each in enumerate(content)]


def answer_schema(status: int) -> dict[str, Any]:
    response = openapi()["paths"]["/compare"]["post"]["responses"][str(status)]
    found: dict[str, Any] = response["content"]["application/json"]["schema"]
    return found


@pytest.mark.parametrize("with_reference", [False, True])
def test_two_images_give_the_comparison_as_the_document_says(
    client: TestClient, parts: list[Any], with_reference: bool, random_model: Any, versions: list[Tensor]
) -> None:
    reference = [("reference", parts[0][1])] if with_reference else []
    got = client.post("/compare?format=json", files=[*parts[1:3], *reference])
    assert got.status_code == 200 and got.headers["content-type"] == "application/json"
    assert got.headers["cache-control"] == "no-store"
    answer = got.json()
    assert wrong_in(answer, answer_schema(200)) == []
    images = [to_uint8(version) for version in versions]
    expected = random_model.compare(*images[1:3], images[0] if with_reference else None, names=("1.png", "2.png"))
    assert answer["comparison"]["margin"] == expected.margin and answer["comparison"]["sentence"] == expected.summary()
    assert answer["comparison"]["has_reference"] is with_reference and "ranking" not in answer
    page = client.get(answer["address"])
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")


def test_several_images_give_the_ranking_as_the_document_says(client: TestClient, parts: list[Any]) -> None:
    answer = client.post("/compare", files=parts[1:4], headers=JSON).json()
    assert wrong_in(answer, answer_schema(200)) == [] and "comparison" not in answer
    assert sorted(one["name"] for one in answer["ranking"]["ranking"]) == ["1.png", "2.png", "3.png"]
    assert client.get(f"{answer['address']}/0-1").status_code == 200


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 303), ("", JSON, 200), ("?format=json", {}, 200), ("?format=html", JSON, 303),
        ("?format=xml", {}, 400), ("?format=xml", JSON, 400),
    ],
)  # fmt: skip
def test_json_is_given_where_it_is_asked_for(
    client: TestClient, parts: list[Any], query: str, headers: dict[str, str], status: int
) -> None:
    got = client.post(f"/compare{query}", files=parts[:2], headers=headers, follow_redirects=False)
    assert got.status_code == status
    if status == 400:
        assert "?format=xml" in got.text


def test_refusals_have_the_statuses_and_the_form_of_the_document(client: TestClient, parts: list[Any]) -> None:
    broken = ("images", ("broken.png", b"no picture"))
    small = {"content-type": "text/plain", **JSON}
    found = [
        client.post("/compare", files=parts[:1], headers=JSON),
        client.post("/compare", files=parts[:2], headers={**JSON, "Origin": "http://elsewhere"}),
        client.post("/compare", content=iter([b"x"]), headers=small),
        client.post("/compare", files=[("images", ("big.png", b"x" * 1_300_000))] * 2, headers=JSON),
        client.post("/compare", content=b"x", headers=small),
        client.post("/compare?format=json", files=[parts[0], broken]),
    ]
    assert [got.status_code for got in found] == [400, 403, 411, 413, 415, 422]
    assert {got.status_code for got in found} <= set(STATUSES)
    for got in found:
        assert wrong_in(got.json(), answer_schema(got.status_code)) == []
    assert client.get("/nothing", headers=JSON).json() == {"error": "There is no such page."}
    assert client.get("/compare", headers=JSON).json() == {"error": "This is not how the page is used."}


def test_the_answer_of_the_health_check_is_as_the_document_says(client: TestClient) -> None:
    assert wrong_in(client.get("/health").json(), openapi()["components"]["schemas"]["Health"]) == []


def test_every_path_and_method_of_the_document_is_there_and_no_other(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    routes = {re.sub(r":int", "", route.path): route.methods - {"HEAD"} for route in client.app.routes}  # type: ignore[attr-defined]
    told = {path: {method.upper() for method in methods} for path, methods in document["paths"].items()}
    assert told == {path: methods for path, methods in routes.items() if path != "/"}  # the form is for people


def test_the_document_of_a_server_has_its_limits_and_is_openapi(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document == openapi(1.0, 40_000) and "At most 1 MB together" in json.dumps(document)
    assert document["openapi"] == "3.1.0" and document["info"]["version"] == __version__ and document["info"]["title"]
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    for each in operations:
        assert each["responses"] and all(one["description"] for one in each["responses"].values())
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named == set(document["components"]["schemas"])
    for path, methods in document["paths"].items():
        given = [one["name"] for one in next(iter(methods.values())).get("parameters", []) if one["in"] == "path"]
        assert given == re.findall(r"\{(\w+)\}", path)


def test_the_check_of_schemas_notices_what_does_not_fit(client: TestClient, parts: list[Any]) -> None:
    answer = client.post("/compare?format=json", files=parts[:2]).json()
    for change in ({"margin": "much"}, {"better": "c"}, {"more": 1}, {"size": {"width": 3}}, {"has_reference": 1}):
        spoiled = {**answer, "comparison": {**answer["comparison"], **change}}
        assert wrong_in(spoiled, answer_schema(200)) != [], change
    assert wrong_in({"address": 3}, answer_schema(200)) != []


def test_the_document_in_the_docs_is_up_to_date() -> None:
    assert table.main(["--check"]) == 0, "write it with: python -m experiments.docs_tables.openapi"


def test_a_document_that_is_out_of_date_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "openapi.json"
    assert table.main(["--page", str(page)]) == 0 and table.main(["--check", "--page", str(page)]) == 0
    page.write_text(page.read_text(encoding="utf-8").replace("3.1.0", "3.0.0"), encoding="utf-8")
    assert table.main(["--check", "--page", str(page)]) == 1
