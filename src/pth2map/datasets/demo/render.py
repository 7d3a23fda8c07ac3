"""The demo dataset: rendered pictures of drawn faces in WIDER FACE's layout.

<root>/demo.json                                what it was rendered from, and what is in it
<root>/WIDER_val/images/<event>/<stem>.jpg      the pictures that are evaluated
<root>/ground_truth/wider_{face,easy,medium,hard}_val.mat
<root>/val/label.txt                            their faces, with landmarks
<root>/train/images/<event>/<stem>.jpg
<root>/train/label.txt
"""

import io
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

from pth2map.datasets.demo.scenes import Face, draw_picture, event_of
from pth2map.datasets.widerface import SUBSETS
from pth2map.datasets.widerface_index import GROUND_TRUTH, IMAGES
from pth2map.files.atomic import replacing_folder, write_json, write_text
from pth2map.files.errors import InputError
from pth2map.files.progress import Meter

RECORD = "demo.json"
LABELS = "label.txt"
COUNTED: Mapping[str, tuple[int, float]] = {"easy": (50, 0.10), "medium": (30, 0.30), "hard": (10, 0.60)}
"""Of the faces that a subset counts, the least height in pixels and the most that may be hidden."""
_TRAIN, _VAL = "train", "val"
_PARTS = (_TRAIN, _VAL)  # their places keep the streams of random numbers apart
_STREAM = 20  # and this keeps them apart from those of other uses of the same seed
_LEAST_SIDE, _MOST_SIDE = 160, 4096
_QUALITY = 90
_MAT_HEADER = b"MATLAB 5.0 MAT-file".ljust(116)  # scipy writes the time of day there


@dataclass(frozen=True)
class Demo:
    """What a demo dataset is rendered from; equal ones are equal byte for byte, on one machine.

    Raises ``InputError`` for numbers that cannot be.
    """

    train: int
    val: int
    seed: int
    width: int = 640
    height: int = 480

    def __post_init__(self) -> None:
        for name in _PARTS:
            if getattr(self, name) < 1:
                raise InputError(f"{getattr(self, name)} pictures for {name}, expected at least 1")
        if self.seed < 0:
            raise InputError(f"seed {self.seed}: expected 0 or more")
        if not all(_LEAST_SIDE <= side <= _MOST_SIDE for side in (self.width, self.height)):
            raise InputError(
                f"pictures of {self.width}×{self.height} pixels, expected sides from {_LEAST_SIDE} to {_MOST_SIDE}"
            )


@dataclass(frozen=True, eq=False)
class _Rendered:
    event: str
    stem: str
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class _Task:
    demo: Demo
    part: str
    number: int
    folder: Path
    """For the pictures of its event, by whose name it goes."""


def render(demo: Demo, root: Path, processes: int = 1) -> dict[str, Any]:
    """Render into the folder ``root``, which appears whole, and say what is in it (as :data:`RECORD` does).

    A demo dataset that is there is replaced. Raises ``InputError`` when anything else is there. Several processes are
    started by the main thread alone, as they are to leave interruptions to it.
    """
    if processes < 1:
        raise InputError(f"{processes} processes, expected at least 1")
    if root.exists() and not (root / RECORD).is_file() and not (root.is_dir() and not any(root.iterdir())):
        raise InputError(f"{root}: something else than a demo dataset is there; give another folder, or move it away")
    folders = {_TRAIN: Path("train/images"), _VAL: IMAGES}
    with replacing_folder(root) as made:
        tasks = [
            _Task(demo, part, number, made / folders[part] / event_of(number))
            for part in _PARTS
            for number in range(getattr(demo, part))
        ]
        for task in tasks:  # here alone: a worker that outlives this process must not make them again
            task.folder.mkdir(parents=True, exist_ok=True)
        with Meter("render", len(tasks), "pictures") as meter, _mapped(tasks, processes) as results:
            rendered: list[_Rendered] = []
            for result in results:
                rendered.append(result)
                meter.show(len(rendered))
            meter.finish(len(rendered))
        parts = {_TRAIN: rendered[: demo.train], _VAL: rendered[demo.train :]}
        for part, pictures in parts.items():
            write_text(made / part / LABELS, "".join(_label(picture) for picture in pictures))
        _write_ground_truth(made / GROUND_TRUTH, parts[_VAL])
        record = {**asdict(demo), "parts": {part: _counts(pictures) for part, pictures in parts.items()}}
        write_json(made / RECORD, record)
    return record


def counts_in(face: Face, subset: str) -> bool:
    """Whether a subset counts the face, by :data:`COUNTED`."""
    height, hidden = COUNTED[subset]
    return face.box[3] >= height and face.hidden <= hidden


@contextmanager
def _mapped(tasks: Sequence[_Task], processes: int) -> Iterator[Iterator[_Rendered]]:
    """The results in the order of the tasks; each process draws with one thread."""
    if processes == 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield map(_render_one, tasks)
        finally:
            cv2.setNumThreads(threads)
        return
    # Not forked: the caller may have threads.
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_prepare_worker)
    try:
        # Workers are started here. They inherit that interruptions are ignored, from their imports on: this process,
        # which is deaf for a moment too, tells of them.
        told = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            # Not mapped: where a worker is killed, map and the pool may stumble over each other.
            futures = [pool.submit(_render_one, task) for task in tasks]
        finally:
            signal.signal(signal.SIGINT, told)
        yield (future.result() for future in futures)
    except BrokenProcessPool:
        raise InputError(
            "a process that rendered was killed, for lack of memory perhaps; give fewer processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    cv2.setNumThreads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker would wait for tasks for ever if the process that gives them is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _render_one(task: _Task) -> _Rendered:
    demo, event = task.demo, task.folder.name
    key = (_STREAM, demo.seed, _PARTS.index(task.part), task.number)
    picture = draw_picture(event, demo.width, demo.height, key)
    stem = f"{event.replace('--', '_')}_{task.number}"
    done, content = cv2.imencode(".jpg", picture.pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise InputError(f"{event}/{stem}.jpg: OpenCV could not make a JPEG of it; run again with fewer processes")
    (task.folder / f"{stem}.jpg").write_bytes(content.tobytes())
    return _Rendered(event, stem, picture.faces)


def _label(picture: _Rendered) -> str:
    lines = [f"# {picture.event}/{picture.stem}.jpg"]
    for face in picture.faces:
        if face.landmarks is None:
            marks = " ".join(["-1.0"] * 15)
        else:
            marks = " ".join(f"{x:.2f} {y:.2f} 0.0" for x, y in face.landmarks.tolist())
        lines.append(f"{' '.join(map(str, face.box))} {marks} 0.0")
    return "".join(f"{line}\n" for line in lines)


def _counts(pictures: Sequence[_Rendered]) -> dict[str, Any]:
    faces = [face for picture in pictures for face in picture.faces]
    return {
        "pictures": len(pictures),
        "faces": len(faces),
        "with_landmarks": sum(face.landmarks is not None for face in faces),
        "counted": {subset: sum(counts_in(face, subset) for face in faces) for subset in SUBSETS},
    }


def _write_ground_truth(folder: Path, pictures: Sequence[_Rendered]) -> None:
    events = sorted({picture.event for picture in pictures})
    of_event = [[picture for picture in pictures if picture.event == event] for event in events]
    names = {
        "event_list": _column(events),
        "file_list": _column([_column([picture.stem for picture in those]) for those in of_event]),
    }

    def column(value_of: Callable[[Sequence[Face]], np.ndarray]) -> np.ndarray:
        return _column([_column([value_of(picture.faces) for picture in those]) for those in of_event])

    boxes = column(lambda faces: np.array([face.box for face in faces], np.float64).reshape(-1, 4))
    _write_mat(folder / "wider_face_val.mat", {**names, "face_bbx_list": boxes})
    for subset in SUBSETS:
        numbers = column(partial(_numbers, subset))
        _write_mat(folder / f"wider_{subset}_val.mat", {**names, "gt_list": numbers})


def _numbers(subset: str, faces: Sequence[Face]) -> np.ndarray:
    """``(n, 1)``, from 1, of the faces that a subset counts."""
    return np.array([n for n, face in enumerate(faces, start=1) if counts_in(face, subset)], np.float64)[:, None]


def _write_mat(path: Path, content: Mapping[str, np.ndarray]) -> None:
    """As scipy does, but equal content gives equal bytes."""
    buffer = io.BytesIO()
    savemat(buffer, content, do_compression=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_MAT_HEADER + buffer.getvalue()[len(_MAT_HEADER) :])


def _column(values: Sequence[object]) -> np.ndarray:
    """A column of cells."""
    cells = np.empty((len(values), 1), dtype=object)
    cells[:, 0] = values
    return cells
