"""Models, operators, and their graph: one preprocessing operator, then the model."""

from enum import Enum

from pth2map_rehearsal import vacc, vdsp
from vaststreamx._card import require_device


class GraphOutputType(Enum):
    """Where outputs lie, and how; the rehearsal's are the same."""

    GRAPH_OUTPUT_TYPE_NCHW_DEVICE = "NCHW_DEVICE"


class Model:
    """A compiled model on the card. ``model_prefix`` is the path of its files without their endings.

    Raises ``TypeError`` for arguments of other types, ``RuntimeError`` where there is no such model.
    """

    def __init__(self, model_prefix: str, batch_size: int = 1, hw_config: str = "") -> None:
        require_device()
        if not isinstance(model_prefix, str) or type(batch_size) is not int or not isinstance(hw_config, str):
            raise TypeError(
                "Model takes a path as str, a whole number and a path as str, got "
                f"{model_prefix!r}, {batch_size!r}, {hw_config!r}"
            )
        if hw_config:
            raise RuntimeError("REHEARSAL: hw_config is not rehearsed; only Vastai's own vaststreamx can take it")
        if not 1 <= batch_size <= vacc.MAX_BATCH:
            raise RuntimeError(f"a batch of {batch_size}: the model takes 1 to {vacc.MAX_BATCH}")
        self.batch_size = batch_size
        self.max_batch_size = vacc.MAX_BATCH
        try:
            self._model = vacc.open_model(model_prefix)
        except vacc.NoCompiledModel as error:
            raise RuntimeError(str(error)) from error

    @property
    def input_shape(self) -> list[list[int]]:
        """Of each input, in a batch of 1."""
        return [list(tensor.shape) for tensor in self._model.inputs]

    @property
    def output_shape(self) -> list[list[int]]:
        return [list(tensor.shape) for tensor in self._model.outputs]


class Operator:
    """What the card does to a picture."""

    def __init__(self, preprocessing: vdsp.Vdsp) -> None:
        self._preprocessing = preprocessing

    @staticmethod
    def load_ops_from_json_file(path: str) -> list["Operator"]:
        """The one operator of a parameter file. Raises ``TypeError`` for no str, ``RuntimeError`` for no such file."""
        require_device()
        if not isinstance(path, str):
            raise TypeError(f"load_ops_from_json_file takes a path as str, got {path!r}")
        try:
            return [Operator(vdsp.load(path))]
        except vdsp.VdspError as error:
            raise RuntimeError(str(error)) from error


class ModelOperator:
    def __init__(self, model: Model) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"ModelOperator takes a Model, got {type(model).__name__}")
        self._model = model


class Graph:
    def __init__(self, output_type: GraphOutputType = GraphOutputType.GRAPH_OUTPUT_TYPE_NCHW_DEVICE) -> None:
        if not isinstance(output_type, GraphOutputType):
            raise TypeError(f"output_type is one of vaststreamx.GraphOutputType, got {output_type!r}")
        self.operators: tuple[Operator | ModelOperator, ...] = ()

    def add_operators(self, *operators: Operator | ModelOperator) -> None:
        if not all(isinstance(each, Operator | ModelOperator) for each in operators):
            raise TypeError(
                f"add_operators takes operators, got {', '.join(type(each).__name__ for each in operators)}"
            )
        self.operators += operators

    def preprocessing_and_model(self) -> tuple[vdsp.Vdsp, ModelOperator]:
        """Raises ``RuntimeError`` unless it has these two, in this order."""
        match self.operators:
            case (Operator() as first, ModelOperator() as second):
                return first._preprocessing, second
        raise RuntimeError("REHEARSAL: a graph is rehearsed of one operator before the network and the network's alone")


def model_of(operator: ModelOperator) -> tuple[vacc.Model, int]:
    """The model, and how many pictures it takes at once."""
    return operator._model._model, operator._model.batch_size
