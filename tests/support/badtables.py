"""Tables and other files that no command can use."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

EXAMPLES = Path(__file__).parents[2] / "examples"


def bad_tables(folder: Path) -> dict[str, tuple[Path, str]]:
    rows = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:12]
    rows.drop(columns="K_VRH").to_csv(folder / "column.csv", index=False)
    rows.assign(structure="no crystal").to_csv(folder / "rejected.csv", index=False)
    rows.iloc[:0].to_csv(folder / "header.csv", index=False)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 40)
    (folder / "text.txt").write_text("hello\n")
    (folder / "folder").mkdir()
    return {
        "missing": (folder / "missing.csv", "missing.csv"),
        "empty": (folder / "empty.csv", "empty"),
        "header": (folder / "header.csv", "header.csv"),
        "binary": (folder / "binary.csv", "binary.csv"),
        "column": (folder / "column.csv", "K_VRH"),
        "rejected": (folder / "rejected.csv", "12 of 12"),
        "kind": (folder / "text.txt", "text.txt"),
        "folder": (folder / "folder", "folder"),
    }
