"""Ground truth of WIDER FACE: every face of every image, and which faces count in which subset."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.io import loadmat

from pth2map.files.arrays import expect_array, read_npz
from pth2map.files.atomic import write_npz
from pth2map.files.errors import InputError, some
from pth2map.files.hashing import hash_arrays, hash_file
from pth2map.files.kinds import looks_like

SUBSETS = ("easy", "medium", "hard")
OFFICIAL_IMAGES = 3226
OFFICIAL_SHA256 = {
    "wider_face_val.mat": "1dfe6a9853950f9dde256b5e8bb75d8f272e6bc02a15ae1968f5a9b883f458cb",
    "wider_easy_val.mat": "c2fb672d16f75653eb89fb8bc437a7d060896a71cd7a65c1a5a3e4479024099c",
    "wider_medium_val.mat": "4a031970bc132cef5cfacd05068aabcf4fe15d4a31a1e9f4f00eb134fdf449c1",
    "wider_hard_val.mat": "bb1af19dc5bc4dd9517dd8ae8096326c68175f2c3411763bdd4f23fa98638b78",
}


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Faces, image after image; M faces in all. Raises ``InputError`` when the parts do not fit together."""

    names: tuple[str, ...]
    """``event/stem`` of each image."""
    counts: np.ndarray
    """``(n_images,)`` int64: faces of each image."""
    boxes: np.ndarray
    """``(M, 4)`` float64: x, y, w, h in pixels. A few of the published boxes have no width or height."""
    counted: Mapping[str, np.ndarray]
    """For each of :data:`SUBSETS` ``(M,)`` bool: the faces that must be found; the others may be."""

    def __post_init__(self) -> None:
        repeated = [name for name, times in Counter(self.names).items() if times > 1]
        if repeated:
            raise InputError(f"ground truth: {some(repeated)} more than once")
        if set(self.counted) != set(SUBSETS):
            raise InputError(f"ground truth: counts for {some(sorted(self.counted))}, expected {some(SUBSETS)}")
        expect_array("ground truth: counts", self.counts, np.int64, (len(self.names),))
        faces = int(self.counts.sum())
        expect_array("ground truth: boxes", self.boxes, np.float64, (faces, 4))
        for subset in SUBSETS:
            expect_array(f"ground truth: {subset}", self.counted[subset], np.bool_, (faces,))
        if (self.counts < 0).any() or not (np.abs(self.boxes) < 2**31).all():
            raise InputError("ground truth: a count is negative or a coordinate is no pixel position")

    @property
    def offsets(self) -> np.ndarray:
        """``(n_images + 1,)`` int64: image i has faces ``offsets[i]`` up to, without, ``offsets[i + 1]``."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    def subset(self, names: Sequence[str]) -> Self:
        """The images ``names`` in that order. Raises ``InputError`` for one that is not here."""
        place = {name: i for i, name in enumerate(self.names)}
        unknown = [name for name in names if name not in place]
        if unknown:
            raise InputError(f"{some(unknown)} not in the ground truth of {len(self.names)} images")
        offsets = self.offsets
        images = np.array([place[name] for name in names], dtype=np.int64)
        spans = [np.arange(offsets[i], offsets[i + 1]) for i in images]
        faces = np.concatenate([np.zeros(0, np.int64), *spans])
        counted = {subset: flags[faces] for subset, flags in self.counted.items()}
        return type(self)(tuple(names), self.counts[images], self.boxes[faces], counted)

    def content_hash(self) -> str:
        return hash_arrays(self._arrays())

    def save(self, path: Path) -> None:
        """Write ``.npz`` with the keys names, counts, boxes, easy, medium, hard."""
        write_npz(path, **self._arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises ``InputError`` for a missing, broken or other file."""
        arrays = read_npz(path, ("names", "counts", "boxes", *SUBSETS))
        counted = {subset: arrays[subset] for subset in SUBSETS}
        try:
            return cls(tuple(arrays["names"].tolist()), arrays["counts"], arrays["boxes"], counted)
        except (InputError, TypeError) as error:
            raise InputError(f"{path}: {error}") from None

    def _arrays(self) -> dict[str, np.ndarray]:
        names = np.array(self.names, dtype=np.str_)
        return {"names": names, "counts": self.counts, "boxes": self.boxes, **self.counted}


def is_official(folder: Path) -> bool:
    """Whether the four ``.mat`` in ``folder`` are the published ones, byte for byte."""
    paths = {folder / name: sha256 for name, sha256 in OFFICIAL_SHA256.items()}
    return all(path.is_file() and hash_file(path) == sha256 for path, sha256 in paths.items())


def read_ground_truth(folder: Path) -> GroundTruth:
    """Read ``wider_{face,easy,medium,hard}_val.mat``, the images in their order.

    Raises ``InputError`` when a file is missing, no ``.mat`` or of another structure, when the four do not
    list the same images, when a subset counts a face that its image does not have, or when a face counts as easy but
    not as medium, or as medium but not as hard.
    """
    path = folder / "wider_face_val.mat"
    content = _load(path, "face_bbx_list")
    names = _names(path, content)
    boxes = _per_image(path, content, "face_bbx_list")
    odd = [name for name, box in zip(names, boxes, strict=True) if box.size and not _is_boxes(box)]
    if odd:
        raise InputError(f"{path}: boxes of {some(odd)} are not rows of four numbers x y w h in pixels")
    counts = np.array([box.size // 4 for box in boxes], dtype=np.int64)
    counted = {subset: _counted(folder / f"wider_{subset}_val.mat", names, counts) for subset in SUBSETS}
    for lesser, greater in pairwise(SUBSETS):
        if (counted[lesser] & ~counted[greater]).any():
            raise InputError(
                f"{folder}/wider_{lesser}_val.mat counts faces that wider_{greater}_val.mat does not; are they swapped?"
            )
    rows = np.concatenate([np.zeros((0, 4)), *(box.reshape(-1, 4) for box in boxes)])
    return GroundTruth(tuple(names), counts, rows, counted)


def _is_boxes(box: np.ndarray) -> bool:
    return box.shape[1:] == (4,) and box.dtype.kind in "iuf" and bool((np.abs(box.astype(np.float64)) < 2**31).all())


def _counted(path: Path, names: list[str], counts: np.ndarray) -> np.ndarray:
    content = _load(path, "gt_list")
    listed = _names(path, content)
    if listed != names:
        differing = sorted(set(listed) ^ set(names)) or ["their order"]
        raise InputError(f"{path} and wider_face_val.mat beside it do not list the same images: {some(differing)}")
    cells = [cell.ravel() for cell in _per_image(path, content, "gt_list")]
    number = np.concatenate([np.zeros(0, np.int64), *cells])  # from 1, within the image
    if number.dtype.kind not in "iuf":
        raise InputError(f"{path}: gt_list holds {number.dtype}, expected numbers of faces")
    image = np.repeat(np.arange(len(names)), [len(cell) for cell in cells])
    valid = (number >= 1) & (number <= counts[image]) & (number == np.trunc(number))
    if not valid.all():
        wrong = sorted({names[i] for i in image[~valid]})
        raise InputError(f"{path}: gt_list counts faces that their image does not have: {some(wrong)}")
    faces = np.cumsum(counts)[image] - counts[image] + number.astype(np.int64) - 1
    if len(np.unique(faces)) < len(faces):
        raise InputError(f"{path}: gt_list counts a face twice")
    flags = np.zeros(int(counts.sum()), dtype=np.bool_)
    flags[faces] = True
    return flags


def _load(path: Path, key: str) -> Mapping[str, Any]:
    wanted = ["event_list", "file_list", key]
    if not path.is_file():
        raise InputError(f"{path}: not found; the ground truth of WIDER FACE val is four files wider_*_val.mat")
    try:
        content: Mapping[str, Any] = loadmat(path, variable_names=wanted)
    except Exception as error:  # scipy raises whatever its parser meets first
        raise InputError(f"{path}: not a readable .mat file ({_fault(path, error)})") from None
    lacking = [name for name in wanted if name not in content]
    if lacking:
        raise InputError(f"{path}: no variable {some(lacking)}; expected a ground truth file of WIDER FACE val")
    return content


def _fault(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"MATLAB 7.3"):
        return "it is of MATLAB 7.3; save it with -v7"
    if head.startswith(b"MATLAB 5.0"):
        return f"truncated or damaged: {error}; fetch it again"
    return looks_like(head)


def _names(path: Path, content: Mapping[str, Any]) -> list[str]:
    events = _column(path, "event_list", content["event_list"])
    files = _per_event(path, content, "file_list")
    return [
        f"{_word(path, event)}/{_word(path, cell)}"
        for event, cells in zip(events, files, strict=True)
        for cell in cells
    ]


def _word(path: Path, cell: np.ndarray) -> str:
    if cell.dtype.kind != "U" or cell.size != 1:
        raise InputError(f"{path}: event_list or file_list holds {cell.dtype} {cell.shape}, expected a name")
    return str(cell.item())


def _per_image(path: Path, content: Mapping[str, Any], key: str) -> list[np.ndarray]:
    cells, files = _per_event(path, content, key), _per_event(path, content, "file_list")
    if [len(event) for event in cells] != [len(event) for event in files]:
        raise InputError(f"{path}: {key} and file_list do not have the same number of images in every event")
    return [cell for event in cells for cell in event]


def _per_event(path: Path, content: Mapping[str, Any], key: str) -> list[Sequence[np.ndarray]]:
    events = _column(path, key, content[key])
    if len(events) != len(content["event_list"]):
        raise InputError(f"{path}: {key} has {len(events)} events, event_list {len(content['event_list'])}")
    return [_column(path, key, event) for event in events]


def _column(path: Path, key: str, cells: np.ndarray) -> Sequence[np.ndarray]:
    if cells.dtype != object or cells.ndim != 2 or (cells.size and cells.shape[1] != 1):
        raise InputError(f"{path}: {key} holds {cells.dtype} {cells.shape}, expected a column of cells")
    column: list[np.ndarray] = cells.ravel().tolist()
    return column
