import cv2
import numpy as np
import pytest

from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex, IndexedImage
from pth2map.files.errors import InputError
from pth2map.geometry.masks import Patch, encode
from pth2map.plots.boxes import draw_all, draw_detections, draw_rows, write_picture
from pth2map.recipes.detections import Detections

FRAME, POINT, WHITE = (115, 158, 0), (0, 94, 213), (255, 255, 255)
"""Blue, green, red."""
HEIGHT, WIDTH = 120, 160
IMAGE = np.random.default_rng(0).integers(10, 90, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def drawn(*boxes, scores=(0.9, 0.8, 0.7), landmarks=None, image=IMAGE):
    rows = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    return draw_detections(image, rows, np.array(scores[: len(rows)], dtype=np.float64), landmarks)


def changed(picture):
    return (picture != IMAGE).any(axis=2)


def test_the_frame_lies_where_the_box_is():
    picture = drawn((40, 50, 30, 20))
    for line in (picture[50:71, 40], picture[50:71, 70], picture[70, 40:71], picture[50, 68:71]):
        np.testing.assert_array_equal(line, np.broadcast_to(FRAME, line.shape))
    touched = changed(picture)
    touched[50:71, [40, 70]] = touched[[50, 70], 40:71] = False
    assert not touched[50:].any(), "inside, below or beside it something else was drawn"
    assert touched[:50].any(), "the score stands above the box"


def test_a_box_between_pixels_is_rounded():
    np.testing.assert_array_equal(drawn((40.4, 49.6, 30.2, 20.2)), drawn((40, 50, 31, 20)))


def test_lines_grow_with_the_image():
    image = np.zeros((900, 1800, 3), np.uint8)
    picture = drawn((400, 500, 300, 200), image=image)
    across = np.flatnonzero((picture[600, 350:450] == FRAME).all(axis=1))
    assert len(across) in (3, 5), "OpenCV draws three as five"
    assert across.mean() == 50


@pytest.mark.parametrize("image", [IMAGE, IMAGE[:, ::-1], np.asfortranarray(IMAGE)], ids=["plain", "view", "columns"])
def test_the_image_itself_is_left_alone(image):
    before = image.copy()
    picture = drawn((40, 50, 30, 20), image=image)
    np.testing.assert_array_equal(image, before)
    assert not np.shares_memory(picture, image)
    assert (picture != image).any()


def test_without_boxes_the_picture_is_the_image():
    picture = drawn()
    np.testing.assert_array_equal(picture, IMAGE)
    assert picture is not IMAGE


def test_what_lies_outside_is_cut_off():
    np.testing.assert_array_equal(drawn((-500, -500, 50, 50), (4000, 50, 30, 20), (1e12, -1e12, 5, 5)), IMAGE)
    picture = drawn((-10, 50, 30, 20))
    assert (picture[50:71, 20] == FRAME).all()
    assert not changed(picture)[51:70, :20].any()
    assert (drawn((-10, -10, WIDTH + 20, 30))[20] == FRAME).all()


def test_the_score_is_written():
    ours, theirs = (drawn((40, 50, 30, 20), scores=[score]) for score in (0.11, 0.88))
    differ = (ours != theirs).any(axis=2)
    assert differ.any()
    assert not differ[51:].any()
    assert not differ[:, :40].any()
    np.testing.assert_array_equal(ours, drawn((40, 50, 30, 20), scores=[0.1149]))
    assert ((ours[30:50, 40:70] > 230).all(axis=2)).any(), "light text"
    assert ((ours[30:50, 40:70] == FRAME).all(axis=2)).sum() > 100, "on a ground of the frame's colour"


def test_a_box_at_the_upper_edge_has_its_score_inside():
    touched = changed(drawn((40, 2, 60, 60)))
    assert touched[2:13, 40:58].all()


def test_the_best_is_on_top_whatever_the_order():
    boxes = [(40, 50, 30, 20), (44, 48, 30, 20), (38, 55, 30, 20)]
    scores = (0.5, 0.9, 0.7)
    picture = drawn(*boxes, scores=scores)
    np.testing.assert_array_equal(picture, drawn(*boxes[::-1], scores=scores[::-1]))
    ground = slice(40, 48), slice(44, 74)
    np.testing.assert_array_equal(picture[ground], drawn(boxes[1], scores=[0.9])[ground])


def test_landmarks_are_dots():
    points = np.array([[[45.4, 60.4], [60, 65], [1e9, 5]]], dtype=np.float32)
    picture = drawn((40, 50, 30, 20), landmarks=points)
    for x, y in ((45, 60), (60, 65)):
        assert tuple(picture[y, x]) == POINT
    differ = (picture != drawn((40, 50, 30, 20))).any(axis=2)
    assert 2 <= differ.sum() <= 18, "small ones, and nothing else"


def test_every_image_of_a_set_is_drawn_with_what_is_above_the_limit(tmp_path):
    images = []
    for number, event in enumerate(("0--Parade", "1--Shop")):
        place = tmp_path / "root" / event / f"{number}.png"
        place.parent.mkdir(parents=True)
        cv2.imwrite(str(place), IMAGE)
        images.append(IndexedImage(f"{event}/{number}", f"{event}/{number}.png", WIDTH, HEIGHT, ""))
    index = DatasetIndex("mine", str(tmp_path / "root"), tuple(images), None, False, "")
    boxes = np.array([(40.0, 50, 30, 20), (90, 60, 30, 40), (20, 30, 30, 20)])
    found = Detections(index.names, np.array([2, 1]), boxes, np.array([0.9, 0.5, 0.6]))
    draw_all(index, found, 0.5, tmp_path / "drawn")
    for image, expected in zip(images, (drawn(boxes[0]), drawn(boxes[2], scores=[0.6])), strict=True):
        picture = read_image(tmp_path / f"drawn/{image.name}.jpg")
        assert picture.shape == IMAGE.shape
        np.testing.assert_array_equal(picture, cv2.imdecode(cv2.imencode(".jpg", expected)[1], cv2.IMREAD_COLOR))


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "below/it/a.bmp"])
def test_a_picture_is_what_was_drawn(name, tmp_path):
    write_picture(tmp_path / name, IMAGE)
    np.testing.assert_array_equal(read_image(tmp_path / name), IMAGE)
    assert [p.name for p in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]


@pytest.mark.parametrize(
    ("name", "image", "sentence"),
    [
        ("a.xyz", IMAGE, "no picture format is known by this ending; use .jpg or .png"),
        ("picture", IMAGE, "no picture format is known by this ending; use .jpg or .png"),
        ("a.webp", np.zeros((1, 20_000, 3), np.uint8), "takes no picture of 20000×1 px; use .png"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused(name, image, sentence, tmp_path):
    with pytest.raises(InputError, match=f"{name}: .*{sentence}"):
        write_picture(tmp_path / "drawn" / name, image)
    assert not (tmp_path / "drawn").exists()


def test_masks_tint_what_they_cover():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[60:80, 100:130] = 1
    rows = {
        "boxes": np.array([[100.0, 60, 30, 20]]),
        "scores": np.array([0.5]),
        "labels": np.array([2]),
        "masks": np.array([encode(Patch(60, 100, np.ones((20, 30), bool)), HEIGHT, WIDTH)], dtype=object),
    }
    picture = draw_rows(IMAGE, rows, ["cat", "dog"])
    expected = draw_detections(IMAGE, rows["boxes"], rows["scores"], names=["dog"], masks=[mask])
    np.testing.assert_array_equal(picture, expected)
    inside = (slice(62, 78), slice(102, 128))
    assert (picture[inside] == (IMAGE[inside].astype(int) + np.array([178, 114, 0])) // 2).all()
    assert (picture != draw_detections(IMAGE, rows["boxes"], rows["scores"])).any(axis=2)[:58].any(), "its name"


def test_a_stamp_stands_in_the_upper_left_corner():
    boxes = np.zeros((0, 4))
    picture = draw_detections(IMAGE, boxes, np.zeros(0), stamp="SYNTHETIC WEIGHTS")
    touched = changed(picture)
    assert (picture[:10].min(axis=2) > 180).sum() > 50, "nearly white"
    assert touched[:10, :60].mean() > 0.9
    assert not touched[HEIGHT // 2 :].any()
