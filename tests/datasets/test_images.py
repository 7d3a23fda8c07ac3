import io

import cv2
import numpy as np
import pytest
from PIL import Image

from pth2map.datasets.images import inspect_image, read_image
from pth2map.files.errors import InputError


@pytest.fixture
def picture():
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)


def jpeg(picture, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture[:, :, ::-1]).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "restart_marker_blocks": 2}])
def test_whole_jpegs_are_read(picture, tmp_path, options):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(picture, **options) + b"trailing bytes")
    facts = inspect_image(path)
    assert (facts.width, facts.height) == (160, 120)
    assert read_image(path).shape == (120, 160, 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.999])
def test_truncated_jpegs_are_refused_by_both(picture, tmp_path, options, kept):
    content = jpeg(picture, **options)
    path = tmp_path / "a.jpg"
    path.write_bytes(content[: int(len(content) * kept)])
    for read in (inspect_image, read_image):
        with pytest.raises(InputError, match=r"a\.jpg: (truncated JPEG|not an image)"):
            read(path)


def test_a_thumbnail_does_not_stand_for_the_picture(picture, tmp_path):
    """An embedded JPEG has an end marker of its own."""
    exif = Image.Exif()
    exif[0x010E] = "x"
    content = jpeg(picture, exif=exif.tobytes() + jpeg(picture[:40, :40]))
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert read_image(path).shape == (120, 160, 3)
    path.write_bytes(content[:-2])
    with pytest.raises(InputError, match="truncated"):
        read_image(path)


def test_exif_rotation_is_seen_by_both(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(picture, exif=exif))
    facts = inspect_image(path)
    assert (facts.width, facts.height) == (120, 160)
    assert read_image(path).shape == (160, 120, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>", "looks like a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\x00\x01\x02\x03", "first bytes are 00 01 02 03"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, message):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    for read in (inspect_image, read_image):
        with pytest.raises(InputError, match=message):
            read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jpg: No such file"):
        read_image(tmp_path / "gone.jpg")


def test_png_is_read(picture, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture)
    assert inspect_image(tmp_path / "a.png").width == 160
