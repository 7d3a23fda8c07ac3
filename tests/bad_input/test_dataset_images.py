"""Image files of a dataset: broken, strange, or merely odd."""

import io
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tests import synthetic_wider
from tests.bad_input.case import Area, Case, in_process, one_sentence, refused, tree, without_privileges, works
from tests.bad_input.page import hold

from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex
from pth2map.evaluation.results import dataset_notes

AREA = Area("Images")
NAME = "1--Shop/1_Shop_a_1"
WIDTH, HEIGHT = 320, 320


class Wider:
    """The synthetic set in a folder, of which one image is spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = synthetic_wider.make(folder / "wider")
        self.images = self.root / "WIDER_val/images"
        self.image = self.images / f"{NAME}.jpg"
        self.index = folder / "index.json"

    @property
    def arguments(self) -> tuple[str | Path, ...]:
        outputs = ("--index", self.index, "--ground-truth", self.folder / "ground_truth.npz")
        return ("--dataset", "widerface", "--root", self.root, *outputs)

    def refused(self, *more: str | Path) -> str:
        outputs = (self.index, self.folder / "ground_truth.npz")
        return refused("index_widerface", *self.arguments, *more, outputs=outputs, folder=self.folder)

    def indexed(self) -> DatasetIndex:
        """The index, once the set is good; the size of each image is that of its pixels."""
        works("index_widerface", *self.arguments)
        index = DatasetIndex.load(self.index)
        for image in index.images:
            assert read_image(index.file(image)).shape == (image.height, image.width, 3)
        return index


def spoilt(folder: Path, content: bytes) -> str:
    wider = Wider(folder)
    wider.image.write_bytes(content)
    return wider.refused()


def taken(folder: Path, content: bytes) -> np.ndarray:
    """The pixels of an image that is taken, read by its index."""
    wider = Wider(folder)
    wider.image.write_bytes(content)
    index = wider.indexed()
    assert not dataset_notes(index)
    return read_image(wider.image)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture() -> Image.Image:
    """Smooth colours: any decoder gives them back within a few levels."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    return Image.fromarray(np.stack([x * 255 / WIDTH, y * 255 / HEIGHT, 128 + 0 * x], axis=2).astype(np.uint8))


def bgr(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))[:, :, ::-1]


def close(pixels: np.ndarray, expected: np.ndarray, levels: int) -> bool:
    return pixels.shape == expected.shape and int(np.abs(pixels.astype(int) - expected).max()) <= levels


@AREA.case("images that are missing", "Fetch the set again, or name a part of it by `subset:`.")
def missing(folder: Path) -> str:
    wider = Wider(folder)
    wider.image.unlink()
    (wider.images / "0--Parade/0_Parade_b_1.jpg").unlink()
    return wider.refused()


@AREA.case("several broken images", "All are named; fetch them again.")
def several(folder: Path) -> str:
    wider = Wider(folder)
    wider.image.write_bytes(b"")
    (wider.images / "0--Parade/0_Parade_b_1.jpg").write_bytes(b"\0\1\2\3")
    return wider.refused()


@AREA.case("an image of no bytes", "Fetch it again.")
def empty(folder: Path) -> str:
    return spoilt(folder, b"")


@AREA.case("an image that ends early", "Fetch it again.")
def truncated(folder: Path) -> str:
    return spoilt(folder, encoded(picture(), "JPEG")[:2000])


@AREA.case("an image that ends in its header", "Fetch it again.")
def truncated_header(folder: Path) -> str:
    return spoilt(folder, encoded(picture(), "JPEG")[:100])


@AREA.case("a PNG that ends early", "Fetch it again.")
def truncated_png(folder: Path) -> str:
    content = encoded(picture(), "PNG")
    return spoilt(folder, content[: len(content) // 2])


@AREA.case("a web page in place of an image", "The address asked for a login or is gone: fetch it in a browser.")
def web_page(folder: Path) -> str:
    return spoilt(folder, b"<!DOCTYPE html><html><body>Sign in</body></html>")


@AREA.case("a Git LFS pointer in place of an image", "Run `git lfs pull` where the images came from.")
def lfs_pointer(folder: Path) -> str:
    return spoilt(folder, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


@AREA.case("corrupt bytes inside the picture", "Nothing, if the published set is so: a note of the result names them.")
def corrupt(folder: Path) -> str:
    wider = Wider(folder)
    content = wider.image.read_bytes()
    wider.image.write_bytes(content[: len(content) // 2] + b"\xff\xd9")  # whole by its end, but not inside
    said = in_process("index_widerface", *wider.arguments)
    assert said.status == 0
    (note,) = dataset_notes(DatasetIndex.load(wider.index))
    assert NAME in note
    return f"works, with a note in map.txt and map.json: {note}"


@AREA.case("an image of more than 134 million pixels", "Scale it down together with its faces, or leave it out.")
def huge(folder: Path) -> str:
    return spoilt(folder, encoded(Image.new("1", (20000, 20000)), "PNG"))


@AREA.case("an image that is 20,000 pixels long", "Nothing; it is scaled as any other.")
def long(folder: Path) -> str:
    pixels = taken(folder, encoded(picture().resize((20000, 100)), "JPEG", quality=95))
    assert close(pixels, bgr(picture().resize((20000, 100))), 12)
    return "works"


@AREA.case("an image that is one pixel wide", "Nothing.")
def narrow(folder: Path) -> str:
    assert taken(folder, encoded(picture().resize((1, 300)), "JPEG")).shape == (300, 1, 3)
    return "works"


@AREA.case("a grey image", "Nothing; its three channels are equal.")
def grey(folder: Path) -> str:
    image = picture().convert("L")
    assert close(taken(folder, encoded(image, "JPEG", quality=95)), bgr(image), 3)
    return "works"


@AREA.case("a CMYK image", "Nothing; it is read as colours.")
def cmyk(folder: Path) -> str:
    image = picture().convert("CMYK")
    assert close(taken(folder, encoded(image, "JPEG", quality=95)), bgr(image), 8)
    return "works"


@AREA.case("a PNG of 16 bits a channel under a name in `.jpg`", "Nothing; the upper 8 bits are taken.")
def sixteen_bits(folder: Path) -> str:
    grey = np.asarray(picture().convert("L"))
    pixels = taken(folder, encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"))
    np.testing.assert_array_equal(pixels, np.repeat(grey[:, :, None], 3, axis=2))
    return "works"


@AREA.case("a PNG with transparency under a name in `.jpg`", "Nothing; the transparency is left out.")
def transparent(folder: Path) -> str:
    image = picture()
    image.putalpha(128)
    np.testing.assert_array_equal(taken(folder, encoded(image, "PNG")), bgr(picture()))
    return "works"


@AREA.case("a GIF under a name in `.jpg`", "Nothing; of a moving one the first picture is taken.")
def gif(folder: Path) -> str:
    image = picture().quantize(64)
    more = [image.transpose(Image.Transpose.ROTATE_180)]
    pixels = taken(folder, encoded(image, "GIF", save_all=True, append_images=more))
    np.testing.assert_array_equal(pixels, bgr(image))
    return "works"


@AREA.case("an image that its EXIF turns", "Nothing; it is turned before anything else.")
def turned(folder: Path) -> str:
    upright = picture().resize((240, 160))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    assert close(taken(folder, encoded(lying, "JPEG", quality=95, exif=exif)), bgr(upright), 8)
    return "works"


@AREA.case("the same name twice, as `.jpg` and `.JPG`", "Remove one.")
def twice(folder: Path) -> str:
    wider = Wider(folder)
    shutil.copy(wider.image, wider.image.with_suffix(".JPG"))
    return wider.refused()


@AREA.case("an image under a name in `.JPEG`", "Nothing.")
def other_ending(folder: Path) -> str:
    wider = Wider(folder)
    wider.image.rename(wider.image.with_suffix(".JPEG"))
    assert f"WIDER_val/images/{NAME}.JPEG" in [image.path for image in wider.indexed().images]
    return "works"


@AREA.case("a folder under the name of an image", "Move it away and fetch the image.")
def folder_as_image(folder: Path) -> str:
    wider = Wider(folder)
    wider.image.unlink()
    wider.image.mkdir()
    return wider.refused()


@AREA.case("an image that is a link to itself", "Make the link anew.")
def loop(folder: Path) -> str:
    wider = Wider(folder)
    wider.image.unlink()
    wider.image.symlink_to(wider.image.name)
    return wider.refused()


@AREA.case("an image that may not be read", "`chmod a+r` the images, or ask who owns them.")
def forbidden(folder: Path) -> str:
    wider = Wider(folder)
    wider.image.chmod(0)
    before = tree(wider.images / "0--Parade")
    with without_privileges(folder):
        said = in_process("index_widerface", *wider.arguments)
    assert said.status == 2
    assert not wider.index.exists()
    assert tree(wider.images / "0--Parade") == before
    return one_sentence(said.text)


@AREA.case("images without ground truth", "Nothing; they are left out, and a note of the result names them.")
def surplus(folder: Path) -> str:
    wider = Wider(folder)
    shutil.copy(wider.image, wider.images / "1--Shop/1_Shop_z_9.jpg")
    (note,) = dataset_notes(wider.indexed())
    return f"works, with a note in map.txt and map.json: {note}"


@AREA.case("an image that changed after it was indexed", "Give the command again: Snakemake indexes the folder anew.")
def changed(folder: Path) -> str:
    wider = Wider(folder)
    wider.indexed()
    cv2.imwrite(str(wider.image), np.zeros((10, 20, 3), np.uint8))
    recipe = '{"kind": "retinaface", "preprocess": {"resize": "long_side"}}'
    shard = ("--index", wider.index, "--shard", "1-of-1", "--recipe", recipe, "--size", "64")
    return refused("prepare", *shard, "--inputs", folder / "inputs", folder=folder)


@AREA.parametrize()
def test_what_is_said(case: Case):
    hold(AREA, case)


@pytest.mark.parametrize("name", ["0--Parade/0_Parade_b_1", NAME])
def test_a_note_names_just_the_corrupt_image(name, tmp_path):
    wider = Wider(tmp_path)
    path = wider.images / f"{name}.jpg"
    path.write_bytes(path.read_bytes()[:-300] + bytes(200) + b"\xff\xd9")
    (damaged,) = wider.indexed().damaged
    assert damaged.startswith(f"{name} (")
