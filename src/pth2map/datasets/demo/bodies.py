"""What is below a head: neck, clothes, arms and legs, as far as the picture shows them."""

import numpy as np

from pth2map.datasets.demo.canvas import Layer, smooth
from pth2map.datasets.demo.heads import Pose, disc
from pth2map.datasets.demo.light import Light, shade
from pth2map.datasets.demo.looks import Look

HEIGHT = 14.0
"""From the middle of a head to the soles, in units of half a head's height."""
_COARSE = 48
_SIDE = [1.8, 2.1, 3.4, 4.6, 6.2], [0.99, 1.02, 0.965, 0.86, 0.885]  # of a shirt: heights, and parts of its width


def draw_body(look: Look, pose: Pose, light: Light, picture: tuple[int, int], behind: bool = False) -> Layer | None:
    """The body under a head, in a picture of a width and height; from ``behind`` there is no neckline."""
    unit = pose.unit
    across = (look.shoulders + 0.8) * unit
    scale = 1 if unit > 40 else 2 if unit > 12 else 4
    box = (pose.x - across, pose.y - 0.2 * unit, pose.x + across, pose.y + (HEIGHT + 0.3) * unit)
    layer = Layer.around(box, scale, picture)
    if layer is not None:
        body = _Body(look, pose, layer)
        body.draw(behind)
        body.light(light)
    return layer


class _Body:
    """The state of one drawing. Points are in units, x and y from the middle of the head."""

    def __init__(self, look: Look, pose: Pose, layer: Layer) -> None:
        self.look, self.layer, self.unit = look, layer, pose.unit
        self.turn = float(np.sin(pose.yaw))
        self.width = look.shoulders * (1 - 0.22 * abs(self.turn)) * (0.86 if look.child else 1.0)
        self.tall = 0.78 if look.child else 1.0
        self.root = pose.project(np.array([[0, 0.7, -0.15]]))[0] - (0, 0.7 * pose.unit)
        self.dark = layer.coarse(_COARSE)
        self.shown = (layer.top + layer.pixels.shape[0] / layer.scale - self.root[1]) / pose.unit

    def at(self, points: object) -> np.ndarray:
        placed: np.ndarray = np.asarray(points, np.float64) * self.unit + self.root
        return placed

    def draw(self, behind: bool) -> None:
        look, layer, width = self.look, self.layer, self.width
        if self.shown > 5.5:
            self._legs()
        if self.shown > 3:
            self._arms()
        neck = [(-0.36, 0.2), (0.36, 0.2), (0.38, 1.0), (0.62, 1.5), (-0.62, 1.5), (-0.38, 1.0)]
        layer.polygon(self.at(neck), look.skin * 0.92)
        low = 6.2 if look.clothes != "dress" else 9.0 * self.tall
        half = [(0.36, 1.10), (0.55, 1.36), (width * 0.66, 1.52), (width * 0.96, 1.68), (width * 1.04, 2.1)]
        half += [(width * 0.98, 3.4), (width * 0.86, 4.6), (width * (0.9 if low < 7 else 1.15), low)]
        torso = smooth(self.at([*half, *[(-x, y) for x, y in half[::-1]]]), 1)
        layer.polygon(torso, look.cloth)
        if look.clothes == "stripes":
            for y in np.arange(1.8, min(self.shown, 6.0), 0.5):
                high, low = (np.interp(place, *_SIDE) * width for place in (y, y + 0.2))
                stripe = [(-high, y), (0, y + 0.06), (high, y), (low, y + 0.2), (0, y + 0.26), (-low, y + 0.2)]
                layer.polygon(self.at(stripe), look.second_cloth)
        if not behind:
            self._neckline()
        self.dark.polygon(self.at(disc((self.turn * 0.2, 0.96), 0.5, 0.32)), 190)
        for sign in (-1, 1):
            side = [(sign * (width - 0.42), 2.3), (sign * (width - 0.36), 3.6), (sign * (width - 0.4), 5)]
            self.dark.line(self.at(side), 130, 0.1 * self.unit)
            self.dark.line(self.at([(sign * 0.3, 2.6), (sign * 0.7, 3.0), (sign * 0.8, 3.9)]), 60, 0.16 * self.unit)
            self.dark.line(self.at([(sign * 0.5, 1.4), (sign * 1.0, 1.62)]), 50, 0.12 * self.unit)

    def _legs(self) -> None:
        look, width, tall = self.look, self.width, self.tall
        bare = look.clothes == "dress"
        for sign in (-1, 1):
            inner = width * 0.62 - 0.55
            leg = [
                (sign * 0.04, 5.9),
                (sign * width * 0.84, 5.6),
                (sign * width * 0.62, 13.2 * tall),
                (sign * inner, 13.2 * tall),
            ]
            self.layer.polygon(self.at(leg), look.skin * 0.95 if bare else look.second_cloth * 0.55)
            self.layer.polygon(self.at(disc((sign * (width * 0.62 - 0.2), 13.45 * tall), 0.48, 0.3)), (40, 40, 48))

    def _arms(self) -> None:
        look, width = self.look, self.width
        for sign in (-1, 1):
            arm = self.at([(sign * (width - 0.22), 2.1), (sign * (width + 0.12), 4.0), (sign * (width - 0.1), 5.9)])
            upper = look.skin if look.clothes == "dress" else look.cloth * 0.94
            self.layer.disc(arm[2] + (0, 0.2 * self.unit), 0.3 * self.unit, look.skin)
            self.layer.line(arm[1:], look.skin if look.clothes in {"tee", "dress"} else upper, 0.5 * self.unit)
            self.layer.line(arm[:2], upper, 0.58 * self.unit)

    def _neckline(self) -> None:
        look, layer, unit = self.look, self.layer, self.unit
        x, skin, cloth, second = self.turn * 0.25, look.skin * 0.95, look.cloth, look.second_cloth
        kind = look.clothes if look.hat != "headscarf" else "turtleneck"
        if kind in {"tee", "stripes"}:
            round_neck = smooth(self.at([(-0.5, 1.15), (x - 0.38, 1.5), (x, 1.66), (x + 0.38, 1.5), (0.5, 1.15)]), 1)
            layer.polygon(round_neck, skin)
            layer.line(round_neck[2:-2], cloth * 0.78, 0.07 * unit)
        elif kind == "v-neck":
            neck = self.at([(-0.46, 1.15), (x, 2.05), (0.46, 1.15)])
            layer.polygon(neck, skin)
            layer.line(neck, cloth * 0.75, 0.09 * unit)
        elif kind in {"shirt", "suit"}:
            if kind == "suit":
                shirt = [(-0.45, 1.2), (x, 3.1), (0.45, 1.2)]
                layer.polygon(self.at(shirt), (236, 234, 232))
                tie = [(x - 0.12, 1.62), (x + 0.12, 1.62), (x + 0.2, 2.9), (x, 3.15), (x - 0.2, 2.9)]
                layer.polygon(self.at(tie), second)
                for sign in (-1, 1):
                    lapel = [(sign * 0.45, 1.2), (sign * 0.85, 1.95), (sign * 0.6, 2.1), (x, 3.2)]
                    layer.polygon(self.at(lapel), cloth * 0.78)
            else:
                layer.line(self.at([(x, 1.7), (x, 6)]), cloth * 0.8, 0.05 * unit)
                for y in (2.1, 2.8, 3.5, 4.2):
                    layer.disc(self.at([(x, y)])[0], 0.06 * unit, cloth * 0.6)
            layer.polygon(self.at([(-0.34, 1.1), (x, 1.62), (0.34, 1.1)]), skin)
            collar = (236, 234, 232) if kind == "suit" else np.minimum(cloth * 1.12, 250)
            for sign in (-1, 1):
                wing = [(sign * 0.40, 1.02), (x, 1.6), (x + sign * 0.3, 1.9), (sign * 0.58, 1.4)]
                layer.polygon(self.at(wing), collar)
                layer.line(self.at(wing), np.asarray(collar) * 0.72, 0.03 * unit, closed=True)
        elif kind == "hoodie":
            hood = smooth(
                self.at([(-0.8, 1.25), (-0.4, 1.0), (0.4, 1.0), (0.8, 1.25), (0.5, 1.75), (x, 1.9), (-0.5, 1.75)]), 2
            )
            layer.polygon(hood, cloth * 0.86)
            layer.polygon(self.at(disc((x, 1.2), 0.4, 0.4)), skin)
            for sign in (-1, 1):
                layer.line(self.at([(x + sign * 0.3, 1.6), (x + sign * 0.34, 2.6)]), (225, 225, 225), 0.05 * unit)
        elif kind == "turtleneck":
            layer.polygon(self.at([(-0.42, 0.9), (0.42, 0.9), (0.6, 1.5), (-0.6, 1.5)]), cloth)
            for y in (1.0, 1.2):
                layer.line(self.at([(-0.44, y), (0, y + 0.1), (0.44, y)]), cloth * 0.8, 0.05 * unit)
        else:
            chest = [(-0.9, 1.35), (-0.55, 2.1), (x, 2.3), (0.55, 2.1), (0.9, 1.35), (0.4, 1.05), (-0.4, 1.05)]
            layer.polygon(smooth(self.at(chest), 1), skin)

    def light(self, light: Light) -> None:
        self.dark.blurred(0.09 * self.unit)
        (x, y), reach = self.root, 1.25 * self.width * self.unit
        tone = light.round(self.dark, (x - reach, y - 2 * self.unit, x + reach, y + 9 * self.unit))
        tone *= 1 - self.dark.pixels * np.float32(0.6 / 255)
        shade(self.layer, tone)
