"""A clock at every step of a process, each wrapped where the library looks it up."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeAlias
from unittest.mock import patch

Steps: TypeAlias = list[tuple[str, Any, str]]
"""Of each its name, and the module or class and the name there of the function that is the step."""


class Clock:
    """CPU seconds of nested steps, each without those inside it, so that the sum is the whole."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            start = time.process_time()
            self._inner.append(0.0)
            try:
                return function(*args, **options)
            finally:
                whole = time.process_time() - start
                self.seconds[step] += whole - self._inner.pop()
                self._inner[-1] += whole

        return call

    @contextmanager
    def on(self, steps: Steps) -> Iterator[None]:
        with ExitStack() as stack:
            for step, holder, name in steps:
                stack.enter_context(patch.object(holder, name, self.timed(step, getattr(holder, name))))
            yield
