"""Light on what is drawn."""

from dataclasses import dataclass

import cv2
import numpy as np

from pth2map.datasets.demo.canvas import Layer

UNIT = 120
"""What stands for a factor of 1 in the fields that :meth:`Layer.multiply` takes."""


@dataclass(frozen=True, eq=False)
class Light:
    """Light on a scene; colours are ``(3,)`` BGR factors, directions ``(3,)`` point to where it comes from."""

    ambient: np.ndarray
    key: np.ndarray
    key_direction: np.ndarray
    rim: np.ndarray
    rim_direction: np.ndarray

    def on(self, normals: np.ndarray) -> np.ndarray:
        """``(..., 3)`` factors for ``(..., 3)`` normals."""
        key = np.maximum((normals @ self.key_direction + 0.25) / 1.25, 0)[..., None]
        rim = np.maximum(normals @ self.rim_direction, 0)[..., None] ** 2
        factors: np.ndarray = self.ambient + self.key * key + self.rim * rim
        return factors

    def round(self, field: Layer, box: tuple[float, float, float, float]) -> np.ndarray:
        """``(3, h, w)`` float32 factors, times :data:`UNIT`, on something round that fills ``x1, y1, x2, y2``.

        They are for the pixels of ``field``; around the round thing they go on as at its edge.
        """
        x1, y1, x2, y2 = box
        height, width = field.pixels.shape[:2]
        columns = (np.arange(width) + 0.5) / field.scale + field.left
        rows = (np.arange(height) + 0.5) / field.scale + field.top
        across = ((2 * columns - x1 - x2) / (x2 - x1) * 0.92).astype(np.float32)
        down = ((2 * rows - y1 - y2) / (y2 - y1) * 0.92).astype(np.float32)[:, None]
        flat = across * across + down * down
        over = 1 / np.sqrt(np.maximum(flat / 0.93, 1))
        depth = np.sqrt(1 - np.minimum(flat, 0.93))

        def towards(direction: np.ndarray) -> np.ndarray:
            x, y, z = direction.tolist()
            part: np.ndarray = (across * x + down * y) * over + depth * z
            return part

        key = np.maximum(towards(self.key_direction) + 0.25, 0) / 1.25 * UNIT
        tone = np.stack([key * colour for colour in self.key.tolist()])
        if self.rim.any():
            rim = np.maximum(towards(self.rim_direction), 0) ** 2 * UNIT
            for channel, colour in enumerate(self.rim.tolist()):
                tone[channel] += rim * colour
        for channel, colour in enumerate(self.ambient.tolist()):
            tone[channel] += colour * UNIT
        return tone


def shade(layer: Layer, tone: np.ndarray) -> None:
    """Multiply a layer by what :meth:`Light.round` gave, or what was made of it."""
    channels = np.minimum(tone, 255).astype(np.uint8)
    layer.multiply(cv2.merge([*channels, np.full_like(channels[0], UNIT)]), UNIT)


def shade_round(layer: Layer, box: tuple[float, float, float, float], light: Light) -> None:
    """Light a whole layer as something round that fills ``x1, y1, x2, y2``."""
    shade(layer, light.round(layer.coarse(40), box))
