"""Tensor files of a Vastai card, as far as all recipes share them: what its runner ``vamp`` reads and writes.

Inputs: ``<stem>.npz``, the image as it is (uint8 ``(3, h, w)`` RGB) under the one key ``input_0``: the card letterboxes
by itself. A datalist names them, one absolute path a line. Outputs: ``output_%06d.npz`` with the keys ``output_0``,
``output_1`` and so on, numbered from 0 by the line of the datalist.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import DTypeLike

from pth2map.files.arrays import read_npz
from pth2map.files.atomic import write_text
from pth2map.files.errors import InputError, some
from pth2map.geometry.letterbox import Letterbox
from pth2map.recipes.tensor_files import names_by_stem, whole_stem_of

DATALIST = "datalist.txt"


class HasOutputs(Protocol):
    def output_shapes(self, placement: Any) -> Mapping[str, tuple[int, ...]]:
        """Shape of each output for one image, in the order of the device."""


@dataclass(frozen=True)
class CardFiles:
    """The files of a shard; :class:`pth2map.recipes.recipe.TensorFiles` says what each method is for.

    An input is the image as it is; a runtime of our own process letterboxes it when it reads it, as the card does.
    """

    preprocess: Callable[[np.ndarray], tuple[np.ndarray, Letterbox]]
    decode: HasOutputs

    outputs: ClassVar[tuple[str, ...]]
    """Keys of the arrays in a file of outputs, in the card's order."""

    stem = staticmethod(whole_stem_of)

    def card_outputs(self, placement: Letterbox) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
        """Shape for one image and dtype of each array that a card writes of an image at ``placement``, by its key."""
        shapes = self.decode.output_shapes(placement).values()
        return {key: (shape, np.float16) for key, shape in zip(self.outputs, shapes, strict=True)}

    def write_input(self, folder: Path, name: str, image: np.ndarray) -> None:
        write_card_input(folder, name, self.picture(image))

    def picture(self, image: np.ndarray) -> np.ndarray:
        """What is handed to the card of an image: the image as it is."""
        return image

    def list_inputs(self, folder: Path, names: Sequence[str], place: Path) -> None:
        write_datalist(folder / DATALIST, place, names)

    def places(self, folder: Path, names: Sequence[str]) -> Sequence[int]:
        line_of = read_datalist(folder / DATALIST, names)
        return [line_of[name] for name in names]

    def read_input(self, folder: Path, name: str, placement: Letterbox) -> np.ndarray:
        tensor, found = self.preprocess(read_card_input(folder, name))
        if found != placement:
            raise InputError(
                f"{input_file(folder, name)}: holds an image of {found.image_width}×{found.image_height} px, expected "
                f"{placement.image_width}×{placement.image_height}; run the prepare stage again"
            )
        return tensor

    def write_outputs(self, folder: Path, place: int, name: str, outputs: Sequence[np.ndarray]) -> None:
        np.savez(output_file(folder, place), allow_pickle=False, **dict(zip(self.outputs, outputs, strict=True)))

    def read_outputs(
        self, folder: Path, inputs: Path, places: Mapping[str, Letterbox]
    ) -> Iterator[tuple[Letterbox, list[np.ndarray]]]:
        found = read_card_outputs(folder, inputs / DATALIST, list(places), self.outputs)
        yield from zip(places.values(), found, strict=True)


def input_file(folder: Path, name: str) -> Path:
    """Where the input of image ``name`` (``event/stem``) lies."""
    return folder / f"{whole_stem_of(name)}.npz"


def output_file(folder: Path, line: int) -> Path:
    """Where the outputs of the image in line ``line`` of the datalist lie, the first line being 0."""
    return folder / f"output_{line:06d}.npz"


def write_card_input(folder: Path, name: str, image: np.ndarray) -> None:
    """Write the input of image ``name`` (``event/stem``), ``image`` ``(h, w, 3)`` uint8 BGR in its original size.

    The bytes are those of ``numpy.savez``: not compressed, C order, no time of day; equal images give equal bytes.
    Raises ``InputError`` for pixels of another shape or dtype.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{name}: pixels are {image.dtype} {image.shape}, expected uint8 (h, w, 3)")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        input_file(folder, name),
        allow_pickle=False,
        input_0=np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1)),
    )


def read_card_input(folder: Path, name: str) -> np.ndarray:
    """The image ``name`` out of its input: ``(h, w, 3)`` uint8 BGR. Raises ``InputError`` for another file."""
    path = input_file(folder, name)
    planes = read_npz(path, ["input_0"])["input_0"]
    if planes.dtype != np.uint8 or planes.ndim != 3 or len(planes) != 3:
        raise InputError(f"{path}: holds {planes.dtype} {planes.shape}, expected uint8 (3, h, w)")
    return np.ascontiguousarray(planes[::-1].transpose(1, 2, 0))


def write_datalist(path: Path, folder: Path, names: Sequence[str]) -> None:
    """Write the list of the inputs in ``folder`` of the images ``names`` (``event/stem``), in that order.

    Links in the path are kept as they are. Raises ``InputError`` when two images share a stem.
    """
    names_by_stem(names, whole_stem_of)
    lines = [str(input_file(folder.absolute(), name)) for name in names]
    if any(len(line.splitlines()) > 1 for line in lines):
        raise InputError(f"{path}: a path in it holds a line end; move the inputs to another folder")
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_datalist(path: Path, names: Sequence[str]) -> dict[str, int]:
    """The line, from 0, of each image of ``names`` (``event/stem``) in a datalist.

    Raises ``InputError`` when it does not list exactly these images once each.
    """
    name_of = names_by_stem(names, whole_stem_of)
    stems = _listed_stems(path)
    unknown = [stem for stem in stems if stem not in name_of]
    missing = [name_of[stem] for stem in name_of.keys() - set(stems)]
    if unknown or missing:
        what = [f"lists {some(unknown)}, not among the images asked for"] if unknown else []
        what += [f"does not list {some(sorted(missing))}"] if missing else []
        raise InputError(f"{path}: {' and '.join(what)}; make the inputs again")
    return {name_of[stem]: line for line, stem in enumerate(stems)}


def read_card_outputs(
    folder: Path, datalist: Path, names: Sequence[str], keys: Sequence[str]
) -> Iterator[list[np.ndarray]]:
    """The outputs ``keys`` of each image of ``names`` (``event/stem``), in these orders; shapes are left to the decode.

    Raises ``InputError`` as :func:`list_card_outputs` does; as they are read, one after another, when a file cannot be
    read or lacks an output.
    """
    return (_arrays(path, keys) for path in list_card_outputs(folder, datalist, names))


def list_card_outputs(folder: Path, datalist: Path, names: Sequence[str]) -> list[Path]:
    """The output file of each image of ``names`` (``event/stem``), in that order.

    Which file is whose says the datalist that the runner was given.

    Raises ``InputError`` when the datalist does not list exactly these images once each, and when there is not exactly
    one output file for each of its lines (of other files only ``.npz`` are minded).
    """
    line_of = read_datalist(datalist, names)
    expected = {output_file(folder, line): name for name, line in sorted(line_of.items(), key=lambda pair: pair[1])}
    found = set(folder.glob("*.npz"))
    absent = [f"{path.name} ({name})" for path, name in expected.items() if path not in found]
    surplus = sorted(path.name for path in found - set(expected))
    if absent or surplus:
        what = [f"lacks {some(absent)}"] if absent else []
        what += [f"holds {some(surplus)} of no line"] if surplus else []
        raise InputError(
            f"{folder}: {' and '.join(what)}; expected one output file for each of the {len(line_of)} lines of "
            f"{datalist}. Empty the folder and run the card again"
        )
    return [output_file(folder, line_of[name]) for name in names]


def _arrays(path: Path, keys: Sequence[str]) -> list[np.ndarray]:
    arrays = read_npz(path, keys)
    return [arrays[key] for key in keys]


def _listed_stems(datalist: Path) -> list[str]:
    try:
        lines = datalist.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{datalist}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{datalist}: not a text file") from None
    for number, line in enumerate(lines, start=1):
        if not line.endswith(".npz"):
            raise InputError(f"{datalist}, line {number}: found {line!r}, expected the path of an .npz file")
    stems = [PurePosixPath(line).name.removesuffix(".npz") for line in lines]
    repeated = [stem for stem, times in Counter(stems).items() if times > 1]
    if repeated:
        raise InputError(f"{datalist}: lists {some(repeated)} more than once; each image comes once")
    return stems
