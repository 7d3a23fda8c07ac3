"""What a file that is not what was expected looks like, by its first bytes."""

_KINDS = (
    ((b"<",), "it looks like a web page, perhaps of a login or an error"),
    ((b"version https://git-lfs",), "it is a Git LFS pointer, not the file; git lfs pull fetches it"),
    ((b"pk\x03\x04", b"\x1f\x8b"), "it looks like an archive; unpack it"),
    ((b"rar!", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd"), "it is a RAR, 7z or Zstandard file; unpack it by hand"),
    ((b"matlab 7.3", b"\x89hdf"), "it is an HDF5 file, as MATLAB 7.3 writes them"),
    ((b"matlab 5.0",), "it looks like a MATLAB file"),
    ((b"\x93numpy",), "it is a numpy array"),
    ((b"\x89png", b"\xff\xd8\xff", b"gif8"), "it looks like an image"),
)


def looks_like(head: bytes) -> str:
    """What the first bytes (64 are enough) belong to, as a clause; of an unknown kind the bytes themselves."""
    if not head:
        return "it is empty"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if known := next((clause for starts, clause in _KINDS if start.startswith(starts)), None):
        return known
    if head[:1] == b"\x08" and head[2:3] == b"\x12":  # the IR version, then who wrote it
        return "it looks like an ONNX graph"
    return f"its first bytes are {head[:4].hex(' ')}"
