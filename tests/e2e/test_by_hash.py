"""Contents by their hash: what a browser is told they are, and thumbnails of pictures."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import wave
import zlib

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from tests.e2e.test_blobs import Writer, until

from steplog.server.schema import Code

RANDOM = np.random.default_rng(7)
PHOTO = RANDOM.integers(0, 256, (60, 90, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def held(running_server, tmp_path_factory):
    """A server that these tests put files into; none minds those of others."""
    with running_server(tmp_path_factory.mktemp("held")) as running:
        yield Held(running)


class Held:
    """Files of a run, small and large ones, by hash."""

    def __init__(self, server):
        self.server = server
        self.writer = Writer(server)

    def put(self, content, *, large=False):
        sha256 = hashlib.sha256(content).hexdigest()
        if large:
            self.writer.name_blob(f"large/{sha256}", content)
            self.writer.upload(content)
        else:
            self.writer.say([9, f"small/{sha256}", content])
        return sha256

    def ask(self, content, query="", *, large=False, method=None, **headers):
        path = f"/api/v1/blobs/{self.put(content, large=large)}{query}"
        return self.server.ask(path, headers=headers, method=method)

    def shown(self, content, query="?w=32", **options):
        status, headers, body = self.ask(content, query, **options)
        assert (status, headers["Content-Type"]) == (200, "image/webp"), body
        return PIL.Image.open(io.BytesIO(body))

    def refused(self, content, query="?w=32"):
        status, _, body = self.ask(content, query)
        said = json.loads(body)
        assert (status, said["code"]) == (422, Code.NO_PICTURE.code)
        return said["detail"]


def picture(array, kind="PNG", mode=None, **options):
    """The bytes of a picture file."""
    image = PIL.Image.fromarray(array)
    image = image if mode is None else image.convert(mode)
    image.save(written := io.BytesIO(), kind, **options)
    return written.getvalue()


def sound():
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "NONE"))
        file.writeframes(bytes(100))
    return written.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
TEXT = "text/plain; charset=utf-8"
KINDS = {
    "png": (picture(PHOTO), "image/png"),
    "jpeg": (picture(PHOTO, "JPEG"), "image/jpeg"),
    "gif": (picture(PHOTO, "GIF"), "image/gif"),
    "webp": (picture(PHOTO, "WEBP"), "image/webp"),
    "bmp": (picture(PHOTO, "BMP"), "image/bmp"),
    "tiff": (picture(PHOTO, "TIFF"), "application/octet-stream"),
    "wav": (sound(), "audio/wav"),
    "mp3": (b"\xff\xfb\x90\x00" + bytes(400), "audio/mpeg"),
    "mp3 with tags": (b"ID3\x04" + bytes(400), "audio/mpeg"),
    "flac": (b"fLaC" + bytes(40), "audio/flac"),
    "opus": (b"OggS\0" + bytes(22) + b"OpusHead" + bytes(20), "audio/ogg"),
    "theora": (b"OggS\0" + bytes(22) + b"\x80theora" + bytes(20), "video/ogg"),
    "m4a": (b"\0\0\0\x20ftypM4A \0\0\0\0", "audio/mp4"),
    "mp4": (b"\0\0\0\x20ftypisom\0\0\2\0", "video/mp4"),
    "webm": (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\1B\x82\x84webm", "video/webm"),
    "matroska": (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\1B\x82\x88matroska", "application/octet-stream"),
    "avif": (b"\0\0\0\x20ftypavif\0\0\0\0", "application/octet-stream"),
    "json": (b'{"a": [1]}', TEXT),
    "text cut in a letter": ("ä".encode() * 1000 + b"x", TEXT),
    "html": (b"<!DOCTYPE html><script>alert(1)</script>", TEXT),
    "svg": (SVG, TEXT),
    "pdf": (b"%PDF-1.7\n\xe2\xe3\xcf\xd3", "application/octet-stream"),
    "latin-1": (b"gr\xfc\xdfe" * 9, "application/octet-stream"),
    "empty": (b"", TEXT),
    "text that begins as a bitmap": (b"BMW is a car, and no picture", TEXT),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_content_is_what_its_first_bytes_say(held, name):
    content, kind = KINDS[name]
    status, headers, body = held.ask(content)
    assert (status, headers["Content-Type"], body) == (200, kind, content)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert headers["Content-Security-Policy"].startswith("sandbox;")
    assert headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    attached = kind == "application/octet-stream"
    assert headers["Content-Disposition"] == ("attachment" if attached else None)


def test_large_and_small_ones_have_ranges_and_conditions(held):
    for large in (False, True):
        content = picture(PHOTO) + random.Random(large).randbytes(300_000)
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        status, headers, body = held.ask(content, large=large, Range="bytes=1000-1999")
        assert (status, body) == (206, content[1000:2000])
        assert headers["Content-Range"] == f"bytes 1000-1999/{len(content)}"
        assert headers["Content-Type"] == "image/png"
        assert held.ask(content, large=large, Range="bytes=9999999-")[0] == 416
        status, headers, body = held.ask(content, large=large, **{"If-None-Match": etag})
        assert (status, body, headers["ETag"]) == (304, b"", etag)
        status, headers, body = held.ask(content, large=large, method="HEAD")
        assert (status, headers["Content-Length"], body) == (200, str(len(content)), b"")


def test_a_page_and_a_drawing_come_only_when_asked_for_and_only_into_a_sandbox(held):
    status, headers, body = held.ask(KINDS["html"][0], "?as=html")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = headers["Content-Security-Policy"]
    assert policy == "sandbox allow-scripts; frame-ancestors 'self'"
    assert body == KINDS["html"][0]
    status, headers, _ = held.ask(SVG, "?as=svg")
    assert (status, headers["Content-Type"]) == (200, "image/svg+xml")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    for query in ("?as=pdf", "?as=", "?as=html&w=64", "?as=text/html"):
        status, _, body = held.ask(SVG, query)
        assert (status, json.loads(body)["field"]) == (400, "as")


def test_only_what_a_run_names_is_there(held):
    other = Writer(held.server, "gone")
    small, large = b"a small one of it alone", random.Random(5).randbytes(2_000_000)
    other.say([9, "a", small])
    other.name_blob("b", large)
    paths = [f"/api/v1/blobs/{hashlib.sha256(one).hexdigest()}" for one in (small, large)]
    assert held.server.ask(paths[0])[0] == 200
    status, _, body = held.server.ask(paths[1])
    assert (status, json.loads(body)["detail"]) == (404, "the content has not come yet")
    other.upload(large)
    assert held.server.ask(paths[1])[2] == large
    assert held.server.ask(paths[1], key="none")[0] == 401
    path = "/api/v1/projects/local/p/runs/gone"
    assert held.server.ask(path, method="DELETE")[0] == 204
    assert [held.server.ask(path)[0] for path in paths] == [404, 404]
    assert [held.server.ask(f"{path}?w=64")[0] for path in paths] == [404, 404]
    for name in ("0" * 63, "0" * 65, "A" * 64, "..%2f" * 12, "../../meta.db"):
        assert held.server.ask(f"/api/v1/blobs/{name}")[0] in {400, 404}


def test_a_thumbnail_fits_into_the_box_and_is_never_larger_than_the_picture(held):
    wide = picture(RANDOM.integers(0, 256, (300, 900, 3), dtype=np.uint8))
    assert held.shown(wide, "?w=16").size == (16, 5)
    assert held.shown(wide, "?w=100").size == (128, 43)
    assert held.shown(wide, "?w=300&h=64").size == (192, 64)
    assert held.shown(wide, "?w=64&fit=cover").size == (64, 64)
    assert held.shown(wide, "?w=256&h=64&fit=cover").size == (256, 64)
    assert held.shown(wide, "?w=2048").size == (900, 300)
    assert held.shown(wide, "?w=2048&h=2048&fit=cover").size == (300, 300)
    line = picture(np.zeros((1, 4000), np.uint8))
    assert held.shown(line, "?w=16").size == (16, 1)


def test_what_covers_the_box_is_the_middle_of_the_picture(held):
    array = np.zeros((100, 300, 3), np.uint8)
    array[:, 100:200] = 200
    shown = np.asarray(held.shown(picture(array), "?w=64&fit=cover"))
    assert shown.shape == (64, 64, 3)
    assert np.abs(shown.astype(int) - 200).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP"])
def test_a_small_picture_keeps_its_pixels(held, kind):
    array = RANDOM.integers(0, 4, (40, 30), dtype=np.uint8) * 80
    content = picture(
        np.stack([array] * 3, -1), kind, **({"lossless": 1} if kind == "WEBP" else {})
    )
    shown = held.shown(content, "?w=64")
    assert np.array_equal(np.asarray(shown.convert("RGB")), np.stack([array] * 3, -1))


def test_deep_palette_and_transparent_pictures_look_as_they_do_in_a_browser(held):
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    shown = np.asarray(held.shown(picture(deep), "?w=64").convert("L"))
    assert np.array_equal(shown, deep >> 8)
    colours = np.zeros((20, 20, 4), np.uint8)
    colours[:10] = (200, 10, 20, 255)
    clear = held.shown(picture(colours), "?w=32")
    assert clear.mode == "RGBA"
    assert np.array_equal(np.asarray(clear)[..., 3], colours[..., 3])
    indexed = PIL.Image.fromarray(np.repeat(np.arange(4, dtype=np.uint8), 25).reshape(10, 10))
    indexed.putpalette([0, 0, 0, 250, 0, 0, 0, 250, 0, 0, 0, 250])
    indexed.save(written := io.BytesIO(), "PNG", transparency=0)
    rgba = np.asarray(held.shown(written.getvalue()))
    assert rgba[0, 0, 3] == 0
    assert tuple(rgba[9, 9]) == (0, 0, 250, 255)
    bits = held.shown(picture(np.eye(8, dtype=np.uint8) * 255, mode="1"))
    assert np.array_equal(np.asarray(bits.convert("L")), np.eye(8) * 255)
    inks = PIL.Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    inks.save(written := io.BytesIO(), "JPEG")
    red = np.asarray(held.shown(written.getvalue()))[0, 0].astype(int)
    assert np.abs(red - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright(held, orientation):
    array = np.zeros((60, 120, 3), np.uint8)
    array[:30, :60] = (250, 0, 0)
    array[30:, 60:] = (0, 0, 250)
    image = PIL.Image.fromarray(array)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(written := io.BytesIO(), "JPEG", exif=exif, quality=95)
    photo = PIL.Image.open(written)
    expected = PIL.ImageOps.exif_transpose(photo).resize(
        (32, 16) if orientation < 5 else (16, 32), PIL.Image.Resampling.BOX
    )
    shown = held.shown(written.getvalue())
    assert shown.size == expected.size
    far = np.abs(np.asarray(shown).astype(int) - np.asarray(expected).astype(int))
    assert np.median(far) < 12


def test_of_many_frames_the_first_is_shown(held):
    frames = [PIL.Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(written := io.BytesIO(), "GIF", save_all=True, append_images=frames[1:])
    shown = np.asarray(held.shown(written.getvalue()).convert("RGB"))
    assert (shown == (255, 0, 0)).all()


def test_a_large_picture_comes_out_of_the_blob_store(held):
    noise = np.random.default_rng(1).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    content = picture(noise)
    assert len(content) > 1 << 20
    shown = held.shown(content, "?w=256", large=True)
    assert shown.size == (256, 192)
    expected = PIL.Image.fromarray(noise).resize((256, 192), PIL.Image.Resampling.LANCZOS)
    far = np.abs(np.asarray(shown).astype(int) - np.asarray(expected).astype(int))
    assert far.mean() < 12


def test_a_thumbnail_is_kept_and_what_is_broken_of_it_made_anew(server):
    held = Held(server)
    content = picture(PHOTO)
    status, headers, body = held.ask(content, "?w=17")
    assert status == 200
    folder = server.folder / "data" / "thumbnails"
    (kept,) = folder.iterdir()
    assert (kept.name, kept.read_bytes()) == (f"{held.put(content)}-32x32.webp", body)
    assert held.ask(content, "?w=32", **{"If-None-Match": headers["ETag"]})[0] == 304
    # What is kept is what is answered, also after a restart; what power loss cut is not.
    other = picture(PHOTO[:9], "WEBP")
    kept.write_bytes(other)
    assert held.ask(content, "?w=32")[2] == other
    (folder / "left.new").write_bytes(b"x")
    server.kill()
    server.start()
    assert not (folder / "left.new").exists()
    assert held.ask(content, "?w=32")[2] == other
    kept.write_bytes(other[:-3])
    assert held.ask(content, "?w=32")[2] == body
    until(lambda: kept.read_bytes() == body)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_hostile_pictures_are_refused_and_the_server_lives(held):
    bomb = png(60_000, 60_000, zlib.compress(bytes(10_000_000), 9))
    assert "pixels" in held.refused(bomb)
    assert "pixels" in held.refused(png(8193, 8193, b""))
    assert "pixels" in held.refused(png(1, 1_000_000_000, b""))
    assert "pixels" in held.refused(png(2**31 - 1, 2**31 - 1, b""))
    assert "damaged" in held.refused(png(0, 0, b""))
    whole = picture(RANDOM.integers(0, 256, (200, 200, 3), dtype=np.uint8))
    assert "damaged or incomplete" in held.refused(whole[: len(whole) // 2])
    assert "damaged or incomplete" in held.refused(whole[:20])
    assert "damaged or incomplete" in held.refused(png(100, 100, zlib.compress(b"too little")))
    jpeg = picture(PHOTO, "JPEG")
    assert "damaged or incomplete" in held.refused(jpeg[: len(jpeg) // 2])
    assert "damaged or incomplete" in held.refused(b"GIF89a" + bytes(3))
    assert "damaged or incomplete" in held.refused(b"RIFF\x10\0\0\0WEBPVP8 " + bytes(9))
    bitmap = b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 1 << 30, 1 << 30, 1, 24, 0) + bytes(20)
    assert "pixels" in held.refused(bitmap)
    # TIFF and the like are not even tried.
    for name in ("tiff", "svg", "html", "wav", "pdf", "empty"):
        assert held.refused(KINDS[name][0]) == "it is no PNG, JPEG, GIF, WebP or BMP"
    assert held.shown(picture(PHOTO)).size == (32, 21)


def test_damaged_pictures_never_break_the_server(held):
    seeds = random.Random(3)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP"):
        whole = picture(PHOTO, kind)
        for _ in range(12):
            content = bytearray(whole)
            for _ in range(seeds.randrange(1, 9)):
                content[seeds.randrange(12, len(content))] = seeds.randrange(256)
            assert held.ask(bytes(content), "?w=64")[0] in {200, 422}


def test_what_no_thumbnail_can_be_is_refused(held):
    content = picture(PHOTO)
    asked = {
        "w": (
            "?w=15",
            "?w=2049",
            "?w=99999999999999999999",
            "?w=-1",
            "?w=",
            "?w=1e3",
            "?w=%D9%A3%D9%A2",
        ),
        "h": ("?w=64&h=0", "?w=64&h=4096", "?h=64"),
        "fit": ("?w=64&fit=fill", "?fit=cover"),
    }
    for field, queries in asked.items():
        for query in queries:
            status, _, body = held.ask(content, query)
            assert (status, json.loads(body)["field"]) == (400, field), query


def read_all(held, hashes, **options):
    body = json.dumps({"sha256": hashes}).encode()
    return held.server.ask("/api/v1/blobs:read", body, **options)


def contents_of(answer):
    line, _, rest = answer.partition(b"\n")
    found = {}
    for sha256, size in json.loads(line)["contents"]:
        found[sha256], rest = rest[:size], rest[size:]
    assert not rest
    return found


def test_small_contents_come_together_and_large_ones_by_themselves(held):
    small = [random.Random(n).randbytes(n) for n in (0, 1, 65_536)]
    hashes = [held.put(content) for content in small]
    large = [held.put(bytes(65_537)), held.put(RANDOM.bytes(3_000_000), large=True)]
    status, headers, answer = read_all(held, [*hashes, *large, "0" * 64, hashes[0]])
    assert status == 200
    assert contents_of(answer) == dict(zip(hashes, small, strict=True))
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment"
    assert contents_of(read_all(held, [])[2]) == {}


def test_an_answer_of_small_contents_has_a_bound(held):
    made = [random.Random(n).randbytes(60_000) for n in range(150)]
    hashes = [held.put(content) for content in made]
    found = contents_of(read_all(held, hashes)[2])
    assert sum(map(len, found.values())) <= 8 << 20
    assert len(found) == (8 << 20) // 60_000
    rest = contents_of(read_all(held, [one for one in hashes if one not in found])[2])
    assert {**found, **rest} == dict(zip(hashes, made, strict=True))


@pytest.mark.parametrize("hashes", [["x"], [3], ["0" * 64] * 1001, "0" * 64])
def test_what_are_no_hashes_is_refused(held, hashes):
    assert read_all(held, hashes)[0] == 400
    assert read_all(held, ["0" * 64], key="k" * 40)[0] == 401
