"""A stream: pictures are handed over, run in their order by a thread of its own, and their results fetched."""

import threading
from collections import deque
from collections.abc import Sequence
from enum import Enum

from pth2map_rehearsal.vdsp import VdspError
from vaststreamx._card import Image, Tensor, planes_of
from vaststreamx._graph import Graph, ModelOperator, model_of

_WAITING = 8
"""Pictures that may wait, besides a batch, before ``run_async`` blocks: a number of our own."""


class StreamBalanceMode(Enum):
    ONCE = "ONCE"
    RUN = "RUN"


class Stream:
    """``graph`` at work. Several threads may call one stream."""

    def __init__(self, graph: Graph, balance_mode: StreamBalanceMode) -> None:
        if not isinstance(graph, Graph):
            raise TypeError(f"Stream takes a Graph, got {type(graph).__name__}")
        if not isinstance(balance_mode, StreamBalanceMode):
            raise TypeError(f"balance_mode is one of vaststreamx.StreamBalanceMode, got {balance_mode!r}")
        if balance_mode is not StreamBalanceMode.ONCE:
            raise RuntimeError(f"REHEARSAL: {balance_mode} is not rehearsed; only Vastai's own vaststreamx can take it")
        self._preprocessing, self._operator = graph.preprocessing_and_model()
        self._model, self._batch = model_of(self._operator)
        self._registered = False
        self._thread: threading.Thread | None = None
        self._change = threading.Condition()
        self._waiting = deque[Image]()
        self._results = deque[list[Tensor]]()
        self._failure: str | None = None
        self._closed = self._ended = False

    def register_operator_output(self, operator: ModelOperator) -> None:
        self._require_operator(operator)
        self._registered = True

    def build(self) -> None:
        if not self._registered:
            raise RuntimeError("no output is registered: call register_operator_output first")
        if self._thread:
            raise RuntimeError("the stream is built already")
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def run_async(self, images: Sequence[Image]) -> None:
        """Hand over one picture; wait where too many do already."""
        self._require_built()
        if not isinstance(images, list) or not all(isinstance(image, Image) for image in images):
            raise TypeError("run_async takes a list of images that create_image made")
        if len(images) != 1:
            raise RuntimeError(f"the model has one input, got {len(images)} pictures")
        with self._change:
            self._change.wait_for(lambda: len(self._waiting) < self._batch + _WAITING or self._closed or self._ended)
            if self._closed or self._ended:
                raise RuntimeError("the stream is closed")
            self._waiting.append(images[0])
            self._change.notify_all()

    def get_operator_output(self, operator: ModelOperator) -> list[list[Tensor]]:
        """The outputs of the next picture: for the one input a list of tensors; waits until they are there.

        Raises ``ValueError`` behind the last one of a closed stream, ``RuntimeError`` where the card failed.
        """
        self._require_built()
        self._require_operator(operator)
        with self._change:
            self._change.wait_for(lambda: self._results or self._ended)
            if self._results:
                return [self._results.popleft()]
            if self._failure:
                raise RuntimeError(f"run err: {self._failure}")
            raise ValueError("the stream is closed and has no more outputs")

    def close_input(self) -> None:
        self._require_built()
        with self._change:
            self._closed = True
            self._change.notify_all()

    def wait_until_done(self) -> None:
        """Wait until all that was handed over was run, or the card failed."""
        self._require_built()
        with self._change:
            self._change.wait_for(lambda: self._ended)

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                outputs = self._model.run([planes_of(image) for image in batch], self._preprocessing)
            except VdspError as error:
                self._failure = str(error)
                break
            with self._change:
                self._results.extend([Tensor(array) for array in arrays] for arrays in outputs)
                self._change.notify_all()
        with self._change:
            self._ended = True
            self._change.notify_all()

    def _next_batch(self) -> list[Image]:
        """What waits, a batch at most; nothing behind the last picture of a closed stream."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed)
            batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            self._change.notify_all()
            return batch

    def _require_operator(self, operator: ModelOperator) -> None:
        if not isinstance(operator, ModelOperator):
            raise TypeError(f"the rehearsal has outputs of a ModelOperator alone, got {type(operator).__name__}")
        if operator is not self._operator:
            raise RuntimeError("the operator is not in the graph of the stream")

    def _require_built(self) -> None:
        if not self._thread:
            raise RuntimeError("the stream is not built: call build first")
