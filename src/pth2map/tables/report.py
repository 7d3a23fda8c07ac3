"""The report of a scored point: one page (HTML) with its figures, its pictures, and where all of it came from.

The page asks for nothing from elsewhere and has no scripts; it can be read on a light or a dark ground, on a narrow
screen and on paper. Equal inputs give equal bytes.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Any

from pth2map.datasets.images import read_image
from pth2map.datasets.index import DatasetIndex
from pth2map.datasets.widerface import SUBSETS
from pth2map.evaluation.results import clauses, shown, stamps
from pth2map.evaluation.widerface import Outcome
from pth2map.plots.outcomes import LINES, choose_outcomes, draw_outcome, jpeg
from pth2map.training.epochs import Epoch

KINDS = {
    "missed": ("Most faces missed", "by their number, which favours crowds"),
    "false": ("Most false detections", "of the others, by their number"),
    "spread": ("A spread over the rest", "in even steps, as they come"),
}
"""Why pictures are shown, as :func:`pth2map.plots.outcomes.choose_outcomes` names it: a heading and its words."""


@dataclass(frozen=True)
class Picture:
    """A picture of the set with what became of its faces."""

    name: str
    counts: Mapping[str, int]
    """Boxes by kind: found, missed, false."""
    jpeg: bytes


def choose_pictures(index: DatasetIndex, outcomes: Sequence[Outcome]) -> dict[str, list[Picture]]:
    """Pictures of the set that show how it went, by why they are shown."""
    return {
        kind: [
            Picture(
                outcome.name,
                count_boxes([outcome]),
                jpeg(draw_outcome(read_image(index.file_of(outcome.name)), outcome)),
            )
            for outcome in chosen
        ]
        for kind, chosen in choose_outcomes(outcomes).items()
    }


def count_boxes(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Boxes of each kind in all of them."""
    return {kind: sum(len(getattr(outcome, kind)) for outcome in outcomes) for kind in LINES}


@dataclass(frozen=True)
class TrainingReport:
    """What is shown of a training."""

    epochs: Sequence[Epoch]
    picture: bytes
    """PNG."""


@dataclass(frozen=True)
class Report:
    """What the page of a point is made of."""

    result: Mapping[str, Any]
    """The content of ``map.json``, of the evaluator of WIDER FACE."""
    provenance: Mapping[str, Any]
    """The content of ``provenance.json``."""
    faces: Mapping[str, int]
    """How many count in each subset."""
    score_above: float
    """Of what the pictures show."""
    totals: Mapping[str, int]
    """Boxes by kind, over all pictures."""
    pictures: Mapping[str, Sequence[Picture]]
    """By why they are shown: :data:`KINDS`."""
    curves: bytes
    """Precision over recall, PNG."""
    sheet: bytes | None
    """The set at a glance, JPEG."""
    training: TrainingReport | None
    command: str
    """What makes the page."""

    def to_html(self) -> str:
        """The page."""
        result = self.result
        where = f"{result['engine']}, {result['variant']}"
        sections = [
            _set(result["rendered"], self.sheet) if self.sheet else "",
            self._pictures(),
            self._curves(),
            _section("protocol", "Protocol", _definitions(clauses(result))),
            _section("notes", "Notes", _list(result["notes"])) if result["notes"] else "",
            _section("hashes", "Hashes", _definitions(result["hashes"].items(), "hashes")),
            _section("provenance", "Where and when", _definitions(_provenance(self.provenance))),
            _section("again", "Make it again", f"<pre><code>{escape(self.command)}</code></pre>"),
        ]
        return _PAGE.substitute(
            title=escape(f"{result['model']} on {where}"),
            model=escape(result["model"]),
            lead=escape(f"{where}: {result['images']:,} images of {result['dataset']}"),
            style=_STYLE,
            stamps="".join(map(_stamp, self._stamps())),
            figures=_figures(result, self.faces),
            sections="\n".join(filter(None, sections)),
            version=escape(result["pth2map"]),
        )

    def _stamps(self) -> list[tuple[str, str]]:
        """What a reader must know before any figure."""
        told, result = stamps(self.result), self.result
        if result["subset"]:
            told.append((f"SUBSET, {result['subset']}", "these figures compare with none of the whole set"))
        elif not result["full_dataset"] and not result["rendered"]:
            told.append(("NOT THE PUBLISHED SET", "these figures compare with no published ones"))
        return told

    def _pictures(self) -> str:
        found, missed, false = (self.totals[kind] for kind in LINES)
        groups = [
            _GROUP.substitute(heading=heading, words=words, pictures="".join(map(_figure, self.pictures[kind])))
            for kind, (heading, words) in KINDS.items()
            if self.pictures[kind]
        ]
        return _PICTURES.substitute(
            score=f"{self.score_above:g}",
            iou=f"{self.result['iou_threshold']:g}",
            images=f"{self.result['images']:,}",
            legend="".join(_key(kind, f"{self.totals[kind]:,}") for kind in LINES),
            precision=_share(found, found + false),
            recall=_share(found, found + missed),
            groups="".join(groups),
        )

    def _curves(self) -> str:
        plates = [_plate(self.curves, "Precision over recall", "Precision over recall, by subset")]
        if self.training:
            plates.append(_plate(self.training.picture, _training_words(self.training.epochs), "Loss over the epochs"))
        heading = "Curves and training" if self.training else "Curves"
        return _section("curves", heading, f'<div class="plates">{"".join(plates)}</div>')


def _set(words: str, sheet: bytes) -> str:
    return _SET.substitute(words=escape(words), sheet=_data(sheet))


def _figures(result: Mapping[str, Any], faces: Mapping[str, int]) -> str:
    """The table of AP: of the result's IoU large, of others below it."""
    first = f"{result['iou_threshold']:g}"
    others = [iou for iou in result["metrics_at_iou"] if iou != first]
    rows = [
        ("ap", f"AP at IoU {first}, %", [shown(result["metrics"][subset], 100, 2) for subset in SUBSETS]),
        ("", "as a fraction", [shown(result["metrics"][subset], 1, 6) for subset in SUBSETS]),
        *(
            ("", f"AP at IoU {iou}, %", [shown(result["metrics_at_iou"][iou][subset], 100, 2) for subset in SUBSETS])
            for iou in others
        ),
        ("", "faces that count", [f"{faces[subset]:,}" for subset in SUBSETS]),
    ]
    head = "".join(f'<th scope="col">{subset}</th>' for subset in SUBSETS)
    body = "".join(
        f'<tr class="{kind}"><th scope="row">{escape(name)}</th>{"".join(f"<td>{value}</td>" for value in values)}</tr>'
        for kind, name, values in rows
    )
    return f'<table class="figures"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>'


def _provenance(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of each stage when and where it ran, and the versions behind the score."""
    trained = provenance["train"]["runs"] if "train" in provenance else []
    stages = [
        *(("train", run["time"], run) for run in trained),
        ("export", provenance["export"]["run"]["time"], provenance["export"]["run"]),
        *(("infer", run["last"], run) for run in provenance["infer"]),
        ("score", provenance["score"]["time"], provenance["score"]),
    ]
    packages = {name: version for name, version in provenance["score"]["packages"].items() if version}
    return [
        *((name, f"{_moment(time)}, {_surroundings(run)}") for name, time, run in stages),
        ("packages", ", ".join(f"{name} {version}" for name, version in packages.items())),
        ("system", provenance["score"]["host"]["system"]),
    ]


def _moment(time: str) -> str:
    return time.replace("T", " ").replace("+00:00", " UTC")


def _surroundings(run: Mapping[str, Any]) -> str:
    host, own = run["host"], run["pth2map"]
    changed = ", changed since" if own["changed"] else ""
    commit = f" ({own['commit'][:12]}{changed})" if own["commit"] else ""
    machine = f"{host['name']}: {host['cpu']}, {host['cores']} cores"
    return f"{machine}; Python {run['python']}, pth2map {own['version']}{commit}"


def _training_words(epochs: Sequence[Epoch]) -> str:
    seconds = round(sum(epoch.seconds for epoch in epochs))
    steps = sum(epoch.steps for epoch in epochs)
    length = "1 epoch" if len(epochs) == 1 else f"{len(epochs)} epochs"
    return f"Training: {steps:,} steps in {length}, which took {seconds // 60} min {seconds % 60} s"


def _share(part: int, whole: int) -> str:
    return shown(part / whole if whole else None, 100, 1)


def _section(identity: str, heading: str, content: str) -> str:
    return f'<section id="{identity}">\n<h2>{escape(heading)}</h2>\n{content}\n</section>'


def _definitions(pairs: Iterable[tuple[str, str]], kind: str = "") -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in pairs)
    return f'<dl class="{kind}">{rows}</dl>'


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _stamp(stamp: tuple[str, str]) -> str:
    return f'<p class="stamp"><strong>{escape(stamp[0])}</strong> {escape(stamp[1])}</p>'


def _swatch(kind: str) -> str:
    """A stroke of the line that boxes of a kind are drawn with."""
    line = LINES[kind]
    dashes = f' stroke-dasharray="{line.dash} {line.gap}"' if line.dash else ""
    return (
        '<svg class="swatch" width="34" height="10" viewBox="0 0 34 10" aria-hidden="true">'
        f'<path d="M1 5H33" stroke="{line.colour}" stroke-width="3.5"{dashes}/></svg>'
    )


def _key(kind: str, count: str) -> str:
    return f'<li>{_swatch(kind)}<span class="count">{count}</span> {kind}</li>'


def _figure(picture: Picture) -> str:
    words = ", ".join(f"{count} {kind}" for kind, count in picture.counts.items())
    keys = "".join(_key(kind, str(count)) for kind, count in picture.counts.items() if count)
    return (
        f'<figure><img src="{_data(picture.jpeg)}" alt="{escape(picture.name)}: {words}">'
        f'<figcaption><ul class="keys">{keys}</ul>'
        f'<span class="name" title="{escape(picture.name)}">{escape(picture.name)}</span></figcaption></figure>'
    )


def _plate(png: bytes, caption: str, words: str) -> str:
    return (
        f'<figure class="plate"><img src="{_data(png)}" alt="{escape(words)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _data(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<h1>$model</h1>
<p class="lead">$lead</p>
$stamps
$figures
</header>
<main>
$sections
</main>
<footer>pth2map $version</footer>
</body>
</html>
""")

_SET = Template("""<section id="set">
<h2>The pictures</h2>
<p>This is a $words. They are drawn by this project, no photographs: a network that finds these faces need not find
those of people. The frame of a face says which is the easiest subset that counts it.</p>
<figure class="sheet"><img src="$sheet" alt="A sheet of rendered pictures"></figure>
</section>""")

_PICTURES = Template("""<section id="pictures">
<h2>Found, missed, false</h2>
<ul class="legend">$legend</ul>
<p>Over all $images images, of what has a score above $score, by the evaluator’s own rule at IoU $iou: precision
$precision&nbsp;%, recall $recall&nbsp;%. Faces are those that the hard subset counts; detections on others are not
shown, and nothing of images without any face. False is what fits no face at this IoU, and what fits one that a
detection with a higher score has: a box beside its face makes both a face missed and a detection false.</p>
$groups
</section>""")

_GROUP = Template("""<h3>$heading <small>$words</small></h3>
<div class="pictures">$pictures</div>
""")

_STYLE = """
:root { --ground: #ffffff; --panel: #f5f6f7; --ink: #1b1e21; --soft: #5d656d; --line: #dfe3e6; --stamp: #8a4b00;
  --stamp-ground: #fff6e5; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --panel: #1d2226; --ink: #e6e9eb; --soft: #98a2ab;
  --line: #30373d; --stamp: #ffc46b; --stamp-ground: #2a2115; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2.5rem 1.5rem 4rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 2.4rem; line-height: 1.15; letter-spacing: -0.02em; }
h2 { margin: 0 0 1rem; font-size: 1.3rem; letter-spacing: -0.01em; }
h3 { margin: 2rem 0 0.75rem; font-size: 1rem; }
h3 small { margin-left: 0.4em; font-weight: 400; color: var(--soft); font-size: 0.9rem; }
p { max-width: 46rem; margin: 0 0 1rem; }
img { display: block; max-width: 100%; }
section { margin-top: 2.5rem; padding-top: 2rem; border-top: 1px solid var(--line); }
.lead { margin: 0.3rem 0 1.5rem; color: var(--soft); font-size: 1.1rem; }
.stamp { max-width: none; margin: 0 0 0.6rem; padding: 0.5rem 0.9rem; border-left: 4px solid var(--stamp);
  background: var(--stamp-ground); color: var(--stamp); font-size: 0.95rem; }
.stamp strong { margin-right: 0.5em; }
table.figures { width: 100%; margin-top: 1.5rem; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.figures th, .figures td { padding: 0.35rem 0.75rem 0.35rem 0; text-align: right; font-weight: 400; }
.figures th[scope=row] { padding-left: 0; text-align: left; color: var(--soft); font-size: 0.9rem; width: 28%; }
.figures thead th { color: var(--soft); font-size: 0.9rem; border-bottom: 1px solid var(--line); }
.figures thead td { border-bottom: 1px solid var(--line); }
.figures .ap td { font-size: 2.3rem; font-weight: 600; letter-spacing: -0.02em; line-height: 1.3; }
.figures tr:not(.ap) td { color: var(--soft); }
ul.legend, ul.keys { list-style: none; margin: 0 0 1rem; padding: 0; display: flex; flex-wrap: wrap; }
ul.legend { gap: 0.5rem 2.5rem; font-size: 1.1rem; }
ul.keys { gap: 0 1rem; margin: 0; }
.legend li, .keys li { display: flex; align-items: center; gap: 0.45rem; }
.legend .count { font-size: 1.6rem; font-weight: 600; }
.count { font-variant-numeric: tabular-nums; }
.swatch { flex: none; }
.keys .swatch { width: 20px; }
figure { margin: 0; }
figcaption { padding-top: 0.4rem; font-size: 0.85rem; color: var(--soft); }
figcaption .name { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 0.78rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1.25rem; }
.pictures img { width: 100%; aspect-ratio: 4 / 3; object-fit: contain; background: var(--panel); border-radius: 4px; }
.sheet img { width: 100%; border-radius: 4px; }
.plates { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1.5rem;
  align-items: start; }
.plate { max-width: 36rem; }
.plate img { width: 100%; padding: 0.75rem; background: #ffffff; border: 1px solid var(--line); border-radius: 6px; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: 0.35rem 1.5rem; margin: 0;
  font-size: 0.95rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
dl.hashes dd, pre { font: 0.85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: 0; padding: 0.9rem 1.1rem; background: var(--panel); border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.85rem; }
@media (max-width: 34rem) { body { padding: 1.25rem 1rem 3rem; } h1 { font-size: 1.9rem; }
  .figures .ap td { font-size: 1.4rem; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.6rem; } }
@media print { :root { --ground: #ffffff; --panel: #f5f6f7; --ink: #000000; --soft: #444444; --line: #bbbbbb;
  --stamp: #8a4b00; --stamp-ground: #fff6e5; } body { max-width: none; padding: 0; font-size: 10pt; }
  section { break-inside: auto; margin-top: 1.2rem; padding-top: 1rem; } figure, tr, dt, dd { break-inside: avoid; }
  h2, h3 { break-after: avoid; } .pictures { grid-template-columns: repeat(3, 1fr); gap: 0.6rem; }
  .stamp, .swatch, .pictures img { print-color-adjust: exact; } }
"""
