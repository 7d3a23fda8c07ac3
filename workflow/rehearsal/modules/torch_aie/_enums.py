"""Choices of ``compile`` and ``Input``, by the vendor's names."""

from enum import Enum


class PrecisionPolicy(Enum):
    """In the rehearsal a preference is always granted: ``PREF_FP16`` is ``FP16``, ``PREF_FP32`` is ``FP32``."""

    FP32 = "FP32"
    FP16 = "FP16"
    PREF_FP32 = "PREF_FP32"
    PREF_FP16 = "PREF_FP16"


class TensorFormat(Enum):
    ND = "ND"
    NCHW = "NCHW"
