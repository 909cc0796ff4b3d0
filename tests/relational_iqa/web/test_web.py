"""riqa serve: the same report in the browser, friendly refusals, and nothing left behind."""

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import encode_lossless, save_image, to_uint8
from relational_iqa.commands import serve
from relational_iqa.commands.parser import Command, parse
from relational_iqa.web import app as web
from relational_iqa.web import results
from tests.relational_iqa.web.serving import served

JSON = {"Accept": "application/json"}
LOCAL = "http://127.0.0.1"


@pytest.fixture
def client(random_model: Any) -> Iterator[TestClient]:
    with TestClient(web.create_app(random_model, max_mb=1.0, max_pixels=40_000), base_url=LOCAL) as opened:
        yield opened


@pytest.fixture
def files(versions: list[Tensor]) -> list[tuple[str, bytes]]:
    """Five versions of one scene as PNG files."""
    names = ("photo", "blurred", "noisy", "jpeg", "darker")
    return [(f"{name}.png", encode_lossless(to_uint8(v), ".png")) for name, v in zip(names, versions, strict=True)]


def sent(
    client: TestClient, images: list[tuple[str, bytes]], reference: Any = None, align: str = "", **more: str
) -> Any:
    parts = [("images", part) for part in images] + ([] if reference is None else [("reference", reference)])
    return client.post("/compare", files=parts, data={"align": align, **more}, headers=JSON, follow_redirects=False)


def test_the_form_names_its_limits_and_loads_nothing(client):
    answer = client.get("/")
    assert answer.status_code == 200 and "At most 1 MB together" in answer.text and "Nothing is kept" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"(?:src|href)=", answer.text) and "url(" not in answer.text


def test_the_health_of_the_program_is_told_with_its_weights(client, random_model):
    answer = client.get("/health")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert answer.json()["status"] == "ok" and answer.json()["weights"] == random_model.meta.get("name")
    refusal = client.post("/health")
    assert refusal.status_code == 405 and set(refusal.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_two_images_give_the_report_of_the_pair(client, files, random_model, versions):
    address = sent(client, files[1:3]).json()["address"]
    page = client.get(address)
    expected = random_model.compare(*(to_uint8(v) for v in versions[1:3]))
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store"
    assert expected.verdict(("A", "B")) in page.text and "blurred.png" in page.text and 'id="main-pane"' in page.text


@pytest.mark.parametrize(
    ("confidence", "told"), [(0.953, "(95 % sure)"), (0.55, "Cannot tell which of A and B is better")]
)
def test_how_sure_it_is_stands_in_the_headline_and_in_the_league_table(
    client, files, random_model, monkeypatch, confidence, told
):
    compare = random_model.compare
    monkeypatch.setattr(random_model, "compare", lambda *a, **o: replace(compare(*a, **o), confidence=confidence))
    page = client.get(sent(client, files[1:3]).json()["address"]).text.replace("\N{NO-BREAK SPACE}", " ")
    headline = page[page.index("<h1>") : page.index("</h1>")]
    assert told in headline and "the probability, by the model&#39;s own estimate" in page
    table = client.get(sent(client, files[1:4]).json()["address"]).text.replace("\N{NO-BREAK SPACE}", " ")
    assert ("share the first place" in table) == (confidence < 0.6)
    assert ("cannot tell<" if confidence < 0.6 else "95 % sure") in table


def test_a_reference_makes_it_a_full_reference_report(client, files):
    page = client.get(sent(client, files[1:3], files[0]).json()["address"]).text
    assert "Image comparison against a reference" in page and "levels below the reference" in page


def test_a_plain_form_without_script_is_sent_on_to_the_result(client, files):
    parts = [("images", part) for part in files[:2]] + [("reference", ("", b""))]
    answer = client.post("/compare", files=parts, follow_redirects=False)
    assert answer.status_code == 303 and client.get(answer.headers["location"]).status_code == 200


@pytest.mark.parametrize("with_reference", [False, True])
def test_several_images_give_a_league_table_with_a_report_of_every_pair(client, files, with_reference):
    address = sent(client, files[1:4], files[0] if with_reference else None).json()["address"]
    table = client.get(address).text
    links = set(re.findall(r'href="(/result/[\w-]+/\d-\d)"', table))
    assert len(links) == 6 and all(link.startswith(address) for link in links)
    shown = 4 if with_reference else 3
    assert table.count('src="data:image/webp') == shown and 'id="viewer"' in table and "bits per pixel" in table
    pair = client.get(f"{address}/2-0").text
    assert '<th scope="row">A</th><td>jpeg.png' in pair and '<th scope="row">B</th><td>blurred.png' in pair
    assert 'id="main-pane"' in pair
    assert ("against a reference" in pair) is with_reference


def test_names_that_repeat_are_told_apart_and_escaped(client, files):
    evil = "<img src=x onerror=alert(1)>.png"
    table = client.get(sent(client, [(evil, content) for _, content in files[:3]]).json()["address"]).text
    assert "<img src=x" not in table and "1. &lt;img" in table and "3. &lt;img" in table


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status and set(answer.json()) == {"error"}
    line = answer.json()["error"]
    assert "\n" not in line and "Traceback" not in line and tempfile.gettempdir() not in line
    return line


def png(width: int, height: int) -> bytes:
    content = BytesIO()
    Image.new("RGB", (width, height), "grey").save(content, "PNG")
    return content.getvalue()


def test_what_is_wrong_is_said_in_one_line_with_the_remedy(client, files):
    assert "notes.txt" in refused(sent(client, [files[0], ("notes.txt", b"hello")]), 422)
    assert "empty.png: is empty" in refused(sent(client, [files[0], ("empty.png", b"")]), 422)
    assert "Choose two to 12 images" in refused(sent(client, files[:1]), 400)
    assert "--max-pixels 90000" in refused(sent(client, [("big.png", png(300, 300))] * 2), 422)
    line = refused(sent(client, [files[0], ("small.png", png(64, 48))]), 422)
    assert "photo.png is 96 x 80 px but small.png is 64 x 48 px" in line and "register, resize or crop" in line
    assert "over the limit of 1 MB" in refused(sent(client, [("a.png", bytes(1_200_000)), files[0]]), 413)
    assert "choose at most 12" in refused(sent(client, files[:1] * 20), 400)
    line = refused(sent(client, files[:2], align="stretch"), 400)
    assert "(align) is 'stretch'; choose register (auto), resize or crop" in line


def test_a_field_of_another_name_and_text_in_place_of_a_file_are_refused(client, files):
    """An answer without what was meant as the reference would be another one."""
    line = refused(sent(client, files[:2], ref="r.png"), 400)
    assert line == "ref: no such field; a form has images, reference and align."
    text = client.post(
        "/compare", files=[("images", part) for part in files[:2]], data={"reference": "r.png"}, headers=JSON
    )
    assert "reference is text; send a file" in refused(text, 400)


@pytest.mark.parametrize(("align", "size"), [("resize", "96 × 80 px"), ("crop", "64 × 48 px")])
def test_other_sizes_are_aligned_where_that_was_chosen(client, files, align, size):
    page = client.get(sent(client, [files[0], ("small.png", png(64, 48))], align=align).json()["address"])
    assert size in page.text


def test_without_script_the_form_comes_back_with_the_line_in_it(client, files):
    answer = client.post("/compare", files=[("images", files[0])])
    assert answer.status_code == 400 and 'role="alert">Choose two to 12 images' in answer.text


def test_nothing_is_kept_on_disk_also_after_a_refusal(client, files, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    written: list[Path] = []
    load = web.decode.__globals__["open_image"]

    def seen(path: Path, **options: Any) -> Any:
        written.append(path)
        return load(path, **options)

    monkeypatch.setitem(web.decode.__globals__, "open_image", seen)
    sent(client, files[:2])
    sent(client, [files[0], ("broken.png", b"\x89PNG broken")])
    assert len(written) == 4 and all(tmp_path in path.parents for path in written)
    assert list(tmp_path.iterdir()) == []


def test_results_of_many_people_are_held_beside_each_other(client, files):
    addresses = [sent(client, files[:2]).json()["address"] for _ in range(6)]
    assert [client.get(address).status_code for address in addresses] == [200] * 6


def test_results_are_forgotten_after_a_while(client, files, monkeypatch):
    address = sent(client, files[:2]).json()["address"]
    later = time.monotonic() + 60 * web.KEEP_MINUTES + 1
    monkeypatch.setattr(results.time, "monotonic", lambda: later)
    answer = client.get(address)
    assert answer.status_code == 404 and "no longer held" in answer.text


def test_unknown_pages_pairs_and_methods_get_the_form_not_a_trace(client, files):
    address = sent(client, files[:2]).json()["address"]
    for path in ("/etc/passwd", f"{address}/0-0", f"{address}/0-7", "/result/guess"):
        answer = client.get(path)
        assert answer.status_code == 404 and 'id="form"' in answer.text
    assert client.get("/compare").status_code == 405


def test_other_sites_and_foreign_host_names_are_refused(client, files):
    parts = [("images", part) for part in files[:2]]
    refused(client.post("/compare", files=parts, headers={**JSON, "Sec-Fetch-Site": "cross-site"}), 403)
    for origin in ("http://evil.example", "null", f"{LOCAL}:8001", "http://[", "file://"):  # of older browsers
        refused(client.post("/compare", files=parts, headers={**JSON, "Origin": origin}), 403)
    assert client.post("/compare", files=parts, headers={**JSON, "Origin": LOCAL}).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_without_options_the_page_is_for_this_computer_alone():
    commands = {"serve": Command(serve.serve, serve.ServeOptions)}
    _, chosen = parse(commands, ["serve"])
    assert chosen == serve.ServeOptions() and chosen.host == "127.0.0.1" and chosen.max_mb == web.MAX_MB
    _, chosen = parse(commands, ["serve", "--port", "8123", "--max-mb", "7"])
    assert type(chosen.port) is int and type(chosen.max_mb) is float  # socket.getaddrinfo takes no subclass of int
    for bad in (["--port", "-1"], ["--max-mb", "0"]):
        with pytest.raises(UsageError):
            parse(commands, ["serve", *bad])


def test_a_port_that_is_taken_or_a_host_that_is_none_is_one_line():
    taken = serve.listen("127.0.0.1", 0)
    try:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 cannot be used .* choose another with --port"):
            serve.listen("127.0.0.1", port)
        with pytest.raises(UsageError, match="is not known"):
            serve.listen("no.such.host.invalid", 0)
        with pytest.raises(UsageError, match="expected 0"):
            serve.listen("127.0.0.1", 70000)
    finally:
        taken.close()


@pytest.fixture
def address(random_model: Any) -> Iterator[str]:
    with served(web.create_app(random_model, max_mb=1.0)) as port:
        yield f"http://127.0.0.1:{port}"


def test_in_a_browser_choose_files_read_a_complaint_and_see_the_report(
    browser: Any, address: str, versions: list[Tensor], scene: Callable[..., Tensor], tmp_path: Path
):
    names = [str(tmp_path / name) for name in ("one.png", "two.png", "other.png")]
    for name, image in zip(names, (versions[1], versions[2], scene(48, 64, 0)), strict=True):
        save_image(image, name)
    browser.view(1280, 900)
    browser.open(address + "/")

    def choose(*paths: str) -> None:
        root = browser.send("DOM.getDocument")["root"]["nodeId"]
        node = browser.send("DOM.querySelector", nodeId=root, selector="#images")["nodeId"]
        browser.send("DOM.setFileInputFiles", nodeId=node, files=list(paths))

    choose(names[0])
    browser.click("#go")
    browser.wait("document.getElementById('error').textContent.startsWith('Choose two images or more')")
    choose(names[0], names[2])
    browser.wait("document.querySelectorAll('#images-list li').length === 2")
    browser.click("#go")
    browser.wait("document.getElementById('error').textContent.includes('under “If sizes differ” choose register')")
    choose(names[0], names[1])
    browser.click("#go")
    browser.wait("location.pathname.startsWith('/result/') && document.readyState === 'complete'")
    assert browser.run("document.querySelector('.strip').innerText").count(".png") == 2
    browser.press("f")
    browser.wait("document.getElementById('corner-left').textContent === 'B'")
    assert [url for url in browser.requests if not url.startswith((address, "data:"))] == []
