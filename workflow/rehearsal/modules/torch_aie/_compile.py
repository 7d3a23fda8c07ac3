"""A traced or scripted module, bound to the shapes it was compiled for.

The bound module is a TorchScript module with an operator of this package in it. So it saves and loads as any other, and
as a card's does only where torch_aie was imported: plain torch does not know the operator.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from torch_aie._card import require_device
from torch_aie._enums import PrecisionPolicy, TensorFormat

OPTIMIZATION_LEVELS = (0, 1, 2)


class Input:
    """Shape of one input, fixed or between two bounds, of dtype float32 (the rehearsal serves no other)."""

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        *,
        min_shape: Sequence[int] | None = None,
        max_shape: Sequence[int] | None = None,
        dtype: torch.dtype = torch.float,
        format: TensorFormat = TensorFormat.ND,
    ) -> None:
        if (shape is None) == (min_shape is None) or (min_shape is None) != (max_shape is None):
            raise ValueError("Input takes either shape, or min_shape and max_shape")
        self.min_shape = _shape(min_shape if shape is None else shape)
        self.max_shape = _shape(max_shape if shape is None else shape)
        if len(self.min_shape) != len(self.max_shape) or any(
            least > most for least, most in zip(self.min_shape, self.max_shape, strict=True)
        ):
            raise ValueError(f"min_shape {self.min_shape} is not below max_shape {self.max_shape}")
        if dtype is not torch.float:
            raise TypeError(f"the rehearsal serves inputs of torch.float, got {dtype!r}")
        if not isinstance(format, TensorFormat):
            raise TypeError(f"format is one of torch_aie.TensorFormat, got {format!r}")
        if format is TensorFormat.NCHW and len(self.min_shape) != 4:
            raise ValueError(f"NCHW needs four dimensions, got {self.min_shape}")
        self.dtype = dtype
        self.format = format


def _shape(values: Sequence[int] | None) -> list[int]:
    if not isinstance(values, list | tuple) or not values or any(type(v) is not int or v < 1 for v in values):
        raise TypeError(f"a shape is a tuple of positive whole numbers, got {values!r}")
    return list(values)


def _bind(tensor: Tensor, least: list[int], most: list[int]) -> Tensor:
    """A copy of an input, as the card makes one, if it is what the module was compiled for."""
    require_device()
    if tensor.dtype != torch.float:
        raise ValueError(f"compiled for inputs of torch.float32, got {tensor.dtype}")
    shape = list(tensor.shape)
    if len(shape) != len(least) or any(not a <= n <= b for a, n, b in zip(least, shape, most, strict=True)):
        compiled = str(least) if least == most else f"{least} to {most}"
        raise ValueError(f"compiled for inputs of shape {compiled}, got {shape}")
    return tensor.clone()


_operators = torch.library.Library("torch_aie", "DEF")  # type: ignore[no-untyped-call]
_operators.define("bind(Tensor input, int[] least, int[] most) -> Tensor")  # type: ignore[no-untyped-call]
_operators.impl("bind", _bind, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]


class _Bound(nn.Module):
    def __init__(self, program: torch.jit.ScriptModule, inputs: Sequence[Input], half: bool) -> None:
        super().__init__()
        self.program = program
        self._inputs = inputs
        self._half = half

    def forward(self, *tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
        outputs = self.program(
            *(
                torch.ops.torch_aie.bind(tensor, declared.min_shape, declared.max_shape)
                for tensor, declared in zip(tensors, self._inputs, strict=True)
            )
        )
        return self._output(outputs) if isinstance(outputs, Tensor) else tuple(map(self._output, outputs))

    def _output(self, output: Tensor) -> Tensor:
        return _rounded(output) if self._half and output.is_floating_point() else output


def _rounded(tensor: Tensor) -> Tensor:
    return tensor.half().float()


def compile(
    module: torch.jit.ScriptModule,
    *,
    inputs: Sequence[Input],
    precision_policy: PrecisionPolicy = PrecisionPolicy.PREF_FP32,
    truncate_long_and_double: bool = True,
    require_full_compilation: bool = False,
    allow_tensor_replace_int: bool = False,
    min_block_size: int = 3,
    torch_executed_ops: Sequence[str] = (),
    soc_version: str = "Ascend310P3",
    optimization_level: int = 0,
) -> torch.jit.ScriptModule:
    """A TorchScript module that takes ``inputs`` alone and computes what ``module`` does, without gradients.

    Under a policy of FP16 weights and outputs are rounded to float16 and kept as float32; what lies between is computed
    in float32. The other options are checked and change nothing here.

    Raises ``RuntimeError`` if no device is set or the module cannot take the shapes, ``TypeError`` and ``ValueError``
    for options that are not the documented ones.
    """
    require_device()
    if not isinstance(module, torch.jit.ScriptModule):
        raise TypeError(f"compile takes a traced or scripted module, got {type(module).__name__}")
    if not isinstance(inputs, list | tuple) or not inputs or not all(isinstance(each, Input) for each in inputs):
        raise TypeError(f"inputs is a list of torch_aie.Input, got {inputs!r}")
    if not isinstance(precision_policy, PrecisionPolicy):
        raise TypeError(f"precision_policy is one of torch_aie._enums.PrecisionPolicy, got {precision_policy!r}")
    for flag in (truncate_long_and_double, require_full_compilation, allow_tensor_replace_int):
        if not isinstance(flag, bool):
            raise TypeError(f"{flag!r} is neither True nor False")
    if type(min_block_size) is not int or min_block_size < 1:
        raise ValueError(f"min_block_size is a whole number from 1, got {min_block_size!r}")
    if not isinstance(torch_executed_ops, list | tuple) or not all(isinstance(op, str) for op in torch_executed_ops):
        raise TypeError(f"torch_executed_ops is a list of names, got {torch_executed_ops!r}")
    if not isinstance(soc_version, str) or not soc_version.startswith("Ascend"):
        raise ValueError(f"soc_version is Ascend and the chip's name, such as Ascend310P3, got {soc_version!r}")
    if optimization_level not in OPTIMIZATION_LEVELS:
        raise ValueError(f"optimization_level is one of {OPTIMIZATION_LEVELS}, got {optimization_level!r}")
    half = precision_policy in (PrecisionPolicy.FP16, PrecisionPolicy.PREF_FP16)
    bound = _Bound(_program(module, half), inputs, half)
    with torch.no_grad():
        for corner in ("min_shape", "max_shape"):
            example = tuple(torch.zeros(getattr(each, corner)) for each in inputs)
            try:
                bound(*example)
            except RuntimeError as error:
                shapes = ", ".join(str(list(each.shape)) for each in example)
                raise RuntimeError(f"the module cannot take inputs of shape {shapes}") from error
        return torch.jit.trace(bound, example, check_trace=False)  # type: ignore[no-untyped-call, no-any-return]


def _program(module: torch.jit.ScriptModule, half: bool) -> torch.jit.ScriptModule:
    """A copy with weights (parameters and buffers) that need no gradient, rounded to float16 if ``half``."""
    with torch.no_grad():
        program = copy.deepcopy(module)
        for weight in (*program.parameters(), *program.buffers()):
            weight.requires_grad_(False)
            if half and weight.is_floating_point():
                weight.copy_(_rounded(weight))
    return program
