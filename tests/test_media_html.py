"""Pages of HTML in a run's log."""

from __future__ import annotations

import hashlib
import io
import pathlib

import numpy as np
import pytest

import steplog
from steplog._core import RunLog

HEAD = '<base target="_blank"><style>body{margin:0;font-family:sans-serif}</style>'


@pytest.fixture
def logged(start, media_of):
    """Logs a value; gives what its row says, and the files."""

    def log(value):
        with start(settings={"strict": True}) as run:
            run.log({"page": value})
        (row,) = RunLog(run.sync_dir).rows()
        return row["page"], media_of(run.sync_dir)

    return log


def test_a_page_is_what_the_reference_makes_of_it(logged):
    value, files = logged(steplog.Html("<p>größe", inject=False))
    content = "<p>größe".encode()
    sha256 = hashlib.sha256(content).hexdigest()
    assert value == {
        "_type": "html-file",
        "path": f"media/html/page_0_{sha256[:20]}.html",
        "sha256": sha256,
        "size": len(content),
    }
    assert files == {value["path"]: content}


def test_a_list_is_one_value(logged):
    value, files = logged([steplog.Html("a"), steplog.Html("b")])
    assert (value["_type"], value["count"], len(files)) == ("html", 2, 2)
    assert [page["_type"] for page in value["html"]] == ["html-file"] * 2


def test_pages_and_images_in_one_list_stay_apart(logged):
    value, _ = logged([steplog.Html("a"), steplog.Image(np.eye(3))])
    assert [one["_type"] for one in value] == ["html-file", "image-file"]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>x", f"{HEAD}<p>x"),
        ("<html><head><title>t", f"<html><head>{HEAD}<title>t"),
        ('<HTML><HEAD lang="a">', f'<HTML><HEAD lang="a">{HEAD}'),
        ("<html><body>", f"<html><head>{HEAD}</head><body>"),
        ("<header>", f"{HEAD}<header>"),
        ("<head><head>", f"<head>{HEAD}<head>"),
    ],
)
def test_links_of_a_page_open_beside_it(page, expected):
    assert steplog.Html(page).html == expected
    assert steplog.Html(page, inject=False).html == page


def test_a_path_is_read_and_a_text_is_a_page(tmp_path, logged):
    path = tmp_path / "page.html"
    path.write_text("<p>of the file")
    pages = [
        steplog.Html(str(path), inject=False),
        steplog.Html(path, inject=False),
        steplog.Html(str(path), inject=False, data_is_not_path=True),
        steplog.Html(str(tmp_path / "none.html"), inject=False),
        steplog.Html(io.StringIO("<p>read"), inject=False),
        steplog.Html(io.BytesIO(b"<p>bytes"), inject=False),
    ]
    path.unlink()
    value, files = logged(pages)
    assert [files[page["path"]].decode() for page in value["html"]] == [
        *("<p>of the file", "<p>of the file", str(path), str(tmp_path / "none.html")),
        *("<p>read", "<p>bytes"),
    ]


@pytest.mark.parametrize("data", [3, None, b"x", pathlib.Path("none.html"), pathlib.Path("a.txt")])
def test_what_is_no_page_is_refused(data):
    with pytest.raises(ValueError, match=r"Html\(\) takes") as caught:
        steplog.Html(data)
    assert isinstance(caught.value, steplog.UsageError)


def test_texts_of_any_kind_are_pages(logged):
    for text in ("", "\ud800", "a\0b", "x" * 5000 + ".html"):
        value, files = logged(steplog.Html(text, inject=False))
        assert files[value["path"]] == text.replace("\ud800", "\ufffd").encode()


def test_a_large_page_lies_beside_the_log(logged):
    page = "<p>" * 500_000
    value, files = logged(steplog.Html(page, inject=False))
    assert files[value["path"]] == page.encode()
