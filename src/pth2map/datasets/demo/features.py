"""Skin, ears, eyes, brows, nose, mouth and beard, drawn."""

import numpy as np

from pth2map.datasets.demo.brush import Brush
from pth2map.datasets.demo.canvas import hull, mixed, ring, smooth
from pth2map.datasets.demo.heads import Shape, disc
from pth2map.datasets.demo.looks import Expression, Look

SIDES = (-1.0, 1.0)
_T9, _T11 = np.linspace(-1, 1, 9), np.linspace(-1, 1, 11)
_BOW = (1 - _T9 * _T9) ** 0.75
_ARCH = 1 - _T9 * _T9


def mouth_corners(look: Look, expression: Expression) -> np.ndarray:
    """``(2, 2)`` x, y of both, as seen from the front."""
    narrow = 0.0 if expression.smile > 0 else 0.2 * expression.open_mouth
    width = look.mouth_width * (1 + 0.18 * max(expression.smile, 0) - narrow)
    y = look.mouth - 0.055 * expression.smile + 0.04 * expression.open_mouth
    return np.array([(-width, y), (width, y)])


def draw_ears(brush: Brush, near: bool) -> None:
    """Those turned to the viewer, or those turned away."""
    look = brush.look
    if look.hat == "headscarf" or look.hair in {"long", "bob", "afro"}:
        return
    for sign in SIDES:
        if brush.faces_viewer((sign, 0, 0), 0.05) != near:
            continue
        centre = np.array([sign * (look.width + 0.01), 0.1, -0.08])
        size = 0.2 * look.ears
        flap = np.array([[sign * 0.09, 0, -0.14], [0, size, 0.02]])
        points = ring(14) @ flap
        brush.polygon(brush.free(centre + points), look.skin * 0.95)
        if brush.small:
            brush.polygon(brush.free(centre + points * 0.62), mixed(look.skin * 0.78, (70, 60, 150), 0.12))
        if look.earrings:
            brush.disc(brush.free(centre[None] + flap[1:] * 1.1)[0], 0.045, (110, 205, 235))


def draw_skin(brush: Brush, outline: np.ndarray) -> None:
    """The skin of the face inside an outline in pixels, with blushes and the shadows of what is under it."""
    look = brush.look
    brush.polygon(outline, look.skin)
    if look.freckles and brush.fine:
        spots = brush.at(brush.rng.normal((0, 0.2), (0.3, 0.1), (40, 2)))
        for spot in spots:
            brush.disc(spot, 0.012, look.skin * (0.72, 0.78, 0.86))
    drop = np.array([(0, 0.04 * brush.expression.open_mouth)])
    chin, *sides = brush.all_at([_UNDER_LIP + drop, *_HOLLOWS])
    brush.darken(chin, 95)
    if brush.small:
        for hollow, amount in zip(sides, (45, 45, 55, 55), strict=True):
            brush.darken(hollow, amount)
    if brush.fine:
        cheeks = brush.all_at(_CHEEKS)
        for cheek in cheeks[:2]:
            brush.redden(cheek, 130)
        for bone in cheeks[2:4]:
            brush.brighten(bone, 80)
        brush.redden(cheeks[4], 90)
        brush.brighten(cheeks[5], 60)
        brush.brighten(cheeks[6], 60)
    if look.beard == "stubble":
        brush.darken(brush.at(_full_beard(brush.shape), 0.02), 95)
        brush.darken(brush.at(disc((0, look.mouth), look.mouth_width * 1.1, 0.11)), 60)


def draw_beard(brush: Brush) -> None:
    look = brush.look
    if look.beard not in {"goatee", "full", "moustache"}:
        return
    rng, colour = brush.rng, look.hair_colour * 0.92
    y = look.mouth - 0.10
    pieces = [np.array([(-0.29, y + 0.12), (-0.2, y), (0, y - 0.05), (0.2, y), (0.29, y + 0.12), (0, y + 0.05)])]
    if look.beard == "full":
        pieces.append(_full_beard(brush.shape))
    elif look.beard == "goatee":
        pieces.append(_GOATEE)
    for piece in pieces:
        brush.polygon(smooth(brush.at(piece, 0.05), 1), colour)
    if not brush.fine:
        return
    count = 90 if brush.finest else 30
    x, high = rng.uniform(-1, 1, count), rng.random(count)
    if look.beard == "full":
        x = x * 0.55
        start = np.where(np.abs(x) < 0.3, 0.78 + 0.2 * high - 0.4 * x * x, 0.45 + 0.35 * high)
    elif look.beard == "goatee":
        x = x * 0.16
        start = 0.78 + 0.2 * high - 0.4 * x * x
    else:
        x = x * 0.24
        start = y - 0.03 + np.abs(x) * 0.35
    ends = np.stack([x, start, x * 1.03, start + 0.09], axis=1).reshape(-1, 2)
    hairs = list(brush.at(ends, 0.06).reshape(-1, 2, 2))
    for number, shade in enumerate((0.7, 1.0, 1.35)):
        brush.lines(hairs[number::3], colour * shade + 4, 0.012)


def draw_eyes(brush: Brush) -> None:
    look = brush.look
    half = 0.142 * look.eye_size
    for sign in SIDES:
        x = sign * look.eye_gap
        if not brush.faces_viewer((x / look.width, 0, 0.9), 0.1):
            continue
        socket, corner = brush.all_at([disc((x * 0.98, -0.05), half * 1.35, 0.12), disc((x * 0.72, 0.02), 0.06, 0.08)])
        brush.darken(socket, 74)
        brush.darken(corner, 84)
        if brush.expression.eyes_open > 0.15:
            _open_eye(brush, sign)
        else:
            _closed_eye(brush, sign)
        if look.old > 0.3 and brush.fine:
            bag = brush.at(_arc(look, sign, 0.12 + 0.03 * _ARCH, 0.9))
            brush.darken_line(bag, 60 + 90 * look.old, 0.03)


def _arc(look: Look, sign: float, heights: np.ndarray, stretch: float = 1.0) -> np.ndarray:
    """From corner to corner of an eye."""
    x = sign * look.eye_gap + _T9 * 0.142 * look.eye_size * stretch
    return np.stack([x, heights - look.eye_slant * sign * _T9], axis=1)


def _lid(look: Look) -> np.ndarray:
    return mixed(look.skin * 0.90, (90, 84, 150), 0.06)


def _lash(look: Look) -> np.ndarray:
    return mixed((24, 22, 26), look.skin, 0.12)


def _closed_eye(brush: Brush, sign: float) -> None:
    look, size = brush.look, brush.look.eye_size
    above, below = brush.all_at([_arc(look, sign, -0.09 * size * _BOW), _arc(look, sign, 0.03 * size * _ARCH)])
    brush.polygon(np.concatenate([below, above[::-1]]), _lid(look))
    brush.lines([below], _lash(look), look.lashes + 0.008)


def _open_eye(brush: Brush, sign: float) -> None:
    """The ball, then the lids over what of it they hide."""
    look, state, unit = brush.look, brush.expression, brush.pose.unit
    size, opened = look.eye_size, state.eyes_open
    gaze = np.array([0.045, 0.02]) * np.clip(state.gaze, -1, 1) + (sign * look.eye_gap, -0.012)
    iris = ring(14) * 0.074 * size
    upper, lower, above, below, rim, pupil, glint = brush.all_at(
        [
            _arc(look, sign, -0.088 * size * opened * _BOW),
            _arc(look, sign, 0.05 * size * (0.45 + 0.55 * min(opened, 1)) * _ARCH),
            _arc(look, sign, -0.14 * size * _BOW, 1.06),
            _arc(look, sign, 0.105 * size * _ARCH, 1.02),
            gaze + iris,
            gaze + iris * 0.42,
            gaze[None] + np.array([0.024 * brush.side, -0.028]),
        ]
    )
    brush.polygon(np.concatenate([upper, lower[::-1]]), (222, 228, 232))
    brush.polygon(rim, look.eye_colour * (0.45 if brush.fine else 0.6))
    if brush.fine:
        middle = rim.mean(axis=0)
        brush.polygon(middle + (rim - middle) * 0.84, look.eye_colour)
        low = middle + np.array([0, 0.022 * unit])
        brush.polygon(low + (rim - middle) * (0.6, 0.45), look.eye_colour * 1.45)
    brush.polygon(pupil, (14, 12, 12))
    if brush.small:
        brush.disc(glint[0], 0.02, (250, 250, 250))
    brush.polygon(np.concatenate([upper, above[::-1]]), _lid(look))
    brush.polygon(np.concatenate([lower, below[::-1]]), look.skin * 0.955)
    if brush.fine:
        shadow = upper + np.array([0, 0.022 * unit])
        brush.polygon(np.concatenate([upper, shadow[::-1]]), (120, 118, 126))
    brush.lines([upper], _lash(look), look.lashes + 0.008)
    if brush.fine:
        brush.lines([upper[1:-1] - np.array([0, 0.036 * unit])], look.skin * 0.66, 0.012)
        brush.lines([lower[1:-1]], look.skin * 0.62, 0.010)
        brush.disc(upper[0 if sign > 0 else -1], 0.016, mixed(look.skin, (110, 100, 210), 0.5))


def draw_brows(brush: Brush) -> None:
    look, state = brush.look, brush.expression
    fair = look.hair_colour.mean() > 150
    colour = (
        mixed(look.hair_colour * 0.7, look.skin * 0.6, 0.4) if fair else mixed(look.hair_colour * 0.75, look.skin, 0.1)
    )
    thick, lift = look.brow_width, -0.205 - state.brow_lift - 0.02 * look.child
    inner, outer = lift + 0.045 * state.frown, lift - 0.012 * state.frown
    heights = [inner + 0.02, (inner + lift) / 2 - 0.018, lift - 0.035, outer + 0.035]
    lines = [np.stack([sign * (look.eye_gap + _BROW), heights], axis=1) for sign in SIDES]
    outlines = brush.all_at(
        [np.concatenate([line - _TAPER * thick, (line + _TAPER * thick)[::-1]]) for line in lines], 0.02
    )
    for outline in outlines:
        brush.polygon(smooth(outline, 2 if brush.fine else 1), colour)
    if brush.finest:
        for line, sign in zip(lines, SIDES, strict=True):
            part = brush.rng.random((16, 1))
            start = line[0] + (line[3] - line[0]) * part
            start[:, 1:] += thick * 0.3 - 0.045 * np.sin(np.pi * part)
            hairs = np.concatenate([start, start + np.array([sign * 0.04, -thick * 0.9])], axis=1).reshape(-1, 2)
            strokes = list(brush.at(hairs, 0.03).reshape(-1, 2, 2))
            brush.lines(strokes[:8], colour * 0.65, 0.008)
            brush.lines(strokes[8:], colour * 1.3, 0.008)


def draw_nose_body(brush: Brush) -> None:
    """The nose as it stands out of the face, its shadows and its bright ridge; the features come over it."""
    look, side = brush.look, brush.side
    wide, base = look.nose_width, look.nose_base
    if abs(brush.pose.yaw) > 0.3:
        body = np.array([(-0.05, -0.05), (0.05, -0.05), (-wide, base - 0.05), (wide, base - 0.05), (0, base + 0.03)])
        points = np.concatenate([body, [(0, base - 0.08), (0, base - 0.01)]])
        brush.polygon(hull(brush.at(points, np.array([0.05] * 5 + [0.19] * 2))), look.skin)
    plane = np.array([(0.03, -0.1), (0.035, 0.15), (0.05, base - 0.1), (wide + 0.03, base), (0.10, 0.1), (0.10, -0.08)])
    brush.darken(brush.at(plane * (-side, 1), _PLANE_LIFT), 105)
    brush.darken(brush.at(disc((-0.02 * side, base + 0.05), wide * 1.15, 0.05), 0.02), 125)
    if brush.fine:
        ridge = np.array([(-0.03, -0.02), (0.03, -0.02), (0.03, base - 0.12), (-0.03, base - 0.12)])
        brush.brighten(brush.at(ridge, _RIDGE_LIFT), 85)
        brush.brighten(brush.at(disc((0.01 * side, base - 0.09), 0.06, 0.05), 0.18), 120)


def draw_nose(brush: Brush) -> None:
    look = brush.look
    wide, base = look.nose_width, look.nose_base
    nostrils = [disc((sign * wide * 0.47, base - 0.005), wide * 0.29, 0.019, 10) for sign in SIDES]
    for nostril in brush.all_at(nostrils, 0.1):
        brush.polygon(nostril, look.skin * (0.26, 0.27, 0.36))
    if brush.fine:
        wings = [_WING * (sign * wide, 1) + (0, base) for sign in SIDES]
        brush.lines(brush.all_at(wings, 0.05), look.skin * 0.62, 0.016)
        brush.lines([brush.at(_BELOW_NOSE * (wide, 1) + (0, base), 0.1)], look.skin * 0.66, 0.014)
    if brush.small and abs(brush.pose.yaw) > 0.25:
        x = np.sign(brush.pose.yaw) * np.array([0.05, 0.035, 0.03, 0.05])
        profile = np.stack([x, [-0.12, 0.1, base - 0.1, base - 0.02]], axis=1)
        brush.lines([brush.at(profile, _PROFILE_LIFT)], look.skin * 0.66, 0.016)


def draw_mouth(brush: Brush) -> None:
    look, state = brush.look, brush.expression
    right, corner = mouth_corners(look, state)[1].tolist()
    x, squared = _T11 * right, _T11 * _T11
    bend = look.mouth + state.smile * 0.055 * (1 - 2 * squared) + 0.04 * state.open_mouth * squared
    gap = 0.20 * state.open_mouth * (1 - np.abs(_T11) ** 2.4)
    upper, lower = bend - gap * 0.3, bend + gap * 0.7
    top, bottom = upper - 0.058 * look.lips * _CUPID, lower + 0.078 * look.lips * _POUT
    deep = upper + np.minimum(gap * 0.62, 0.075) * (1 - squared * squared)
    inside, tongue = x * 0.6, lower - gap * 0.3 * (1 - squared)
    floor = np.interp(inside, x, lower)
    heights = ((x, upper), (x, lower), (x, top), (x, bottom), (x, deep), (inside, tongue), (inside, floor))
    upper_line, lower_line, top_line, bottom_line, teeth, tongue_line, floor_line = brush.all_at(
        [np.stack(pair, axis=1) for pair in heights], 0.03
    )
    brush.polygon(np.concatenate([lower_line, bottom_line[::-1]]), np.minimum(look.lip_colour * 1.08, 250))
    brush.polygon(np.concatenate([top_line, upper_line[::-1]]), look.lip_colour * 0.86)
    dark = look.lip_colour * (0.30, 0.28, 0.42)
    if state.open_mouth > 0.1:
        brush.polygon(np.concatenate([upper_line, lower_line[::-1]]), dark * 0.8)
        if state.open_mouth > 0.5:
            brush.polygon(np.concatenate([tongue_line, floor_line[::-1]]), (92, 84, 178))
        if state.teeth:
            brush.polygon(np.concatenate([upper_line, teeth[::-1]]), (226, 236, 240))
            if brush.finest:
                gaps = list(np.stack([upper_line[3:-3], teeth[3:-3]], axis=1))
                brush.lines(gaps, (196, 204, 210), 0.006)
    else:
        brush.lines([upper_line], dark * 1.15, 0.02)
    if brush.fine:
        for sign in SIDES:
            brush.darken(brush.at(disc((sign * right * 1.06, corner), 0.035, 0.03)), 90)
        shine = disc((0.02 * brush.side, float(lower[5] + 0.04 * look.lips)), right * 0.35, 0.02)
        brush.brighten(brush.at(shine, 0.03), 100)


def draw_folds(brush: Brush) -> None:
    """Lines that smiles, frowns and years leave."""
    look, state = brush.look, brush.expression
    strength = 40 + 70 * look.old + 70 * max(state.smile, 0) - 40 * look.child
    folds = [(0.16, look.nose_base - 0.03), (0.27, 0.5), (0.31, look.mouth - 0.03)]
    for line in brush.all_at([np.array(folds) * (sign, 1) for sign in SIDES]):
        brush.darken_line(line, strength, 0.03)
    if look.old > 0.35 and brush.fine:
        brush.lines(brush.all_at(_FOREHEAD), look.skin * (1 - 0.22 * look.old), 0.012)
    if state.frown > 0.5:
        for sign in SIDES:
            brush.darken_line(brush.at(_FROWN * (sign, 1)), 120, 0.02)


def _full_beard(shape: Shape) -> np.ndarray:
    right = np.stack([shape.half_width(_BEARD_HEIGHTS) * 0.985, _BEARD_HEIGHTS * 1.03], axis=1)
    half = np.concatenate([_BEARD_INNER, right])
    return np.concatenate([half, (half * (-1, 1))[::-1]])


_UNDER_LIP = disc((0, 0.80), 0.14, 0.035)
_HOLLOWS = [
    disc((sign * x, y), w, h, 8)
    for x, y, w, h in ((0.62, -0.12, 0.06, 0.2), (0.54, 0.55, 0.07, 0.16))
    for sign in SIDES
]
_CHEEKS = [
    *(disc((sign * 0.40, 0.30), 0.19, 0.14) for sign in SIDES),
    *(disc((sign * 0.38, 0.16), 0.11, 0.05) for sign in SIDES),
    *(disc((0, 0.34), 0.10, 0.08), disc((0, -0.42), 0.28, 0.10), disc((0, 0.90), 0.10, 0.05)),
]
_GOATEE = disc((0, 0.9), 0.2, 0.17)
_BEARD_HEIGHTS = np.linspace(0.12, 1.0, 8)
_BEARD_INNER = np.array([(0.0, 0.50), (0.22, 0.50), (0.36, 0.50), (0.5, 0.34)])
_BROW = np.array([-0.165, -0.05, 0.08, 0.205])
_TAPER = np.array([0.8, 1.0, 0.9, 0.2])[:, None] * (0, 0.6)
_PLANE_LIFT = np.array([0.06, 0.12, 0.17, 0.04, 0.0, 0.0])
_RIDGE_LIFT = np.array([0.08, 0.08, 0.17, 0.17])
_PROFILE_LIFT = np.array([0.05, 0.11, 0.19, 0.15])
_WING = np.array([(0.82, -0.10), (1.0, -0.06), (1.02, -0.015), (0.85, 0.015)])
_BELOW_NOSE = np.array([(-0.3, 0.012), (0, 0.028), (0.3, 0.012)])
_CUPID = np.interp(np.abs(_T11), [0, 0.2, 0.5, 1], [0.82, 1.0, 0.72, 0.0])
_POUT = 1 - np.abs(_T11) ** 2.2
_FOREHEAD = [np.stack([_T9 * 0.32, y + 0.02 * np.cos(_T9)], axis=1) for y in (-0.47, -0.40, -0.33)]
_FROWN = np.array([(0.06, -0.27), (0.045, -0.16)])
