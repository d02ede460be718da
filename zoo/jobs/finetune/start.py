"""Where the networks of a fine-tuning begin, and what the user is told of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo.analysis.leaks import UNKNOWN_IDS
from zoo.data.elements import atom_table, known_elements
from zoo.data.graphs.neighbors import GraphSettings
from zoo.jobs import lineage, sources
from zoo.training import transfer
from zoo.training.transfer import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.sources import Source
    from zoo.models.cgcnn import CGCNN
    from zoo.registry.contracts import Task
    from zoo.training.transfer import Mode

ALL = "all"
"""As a backbone: compare every one on validation rows, and keep the best."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where the networks begin: the backbone and what is read beside it, if any, and how to make a blank network."""

    source: Source | None
    blank: Callable[[int], CGCNN]
    graph: GraphSettings
    known: frozenset[int]
    mode: Mode = "full"
    experts: tuple[Source, ...] = ()

    @property
    def name(self) -> str:
        """What the network is called."""
        return self.source.name if self.source else FROM_SCRATCH

    @property
    def sources(self) -> list[Source]:
        """Everything pretrained that takes part, each once."""
        named = {each.name: each for each in self.experts} | ({self.source.name: self.source} if self.source else {})
        return list(named.values())

    @property
    def networks(self) -> list[CGCNN]:
        """The networks that are read beside the backbone."""
        return [each.network for each in self.experts]


def begin(options: Options, task: Task) -> Start:
    """Load what a fine-tuning starts from; raises as :func:`zoo.jobs.sources.load` does."""
    chosen = options.chosen_backbone(task)
    if chosen is None:
        return Start(None, sources.blank, GraphSettings(), known_elements(atom_table()))
    source = sources.load(chosen)
    network = source.network
    same = replace(network.architecture, targets=1, pooling="all", experts=0)
    beside = tuple(sources.experts(source)) if options.mode == "mixture" else ()
    return Start(
        source,
        lambda seed: transfer.scratch(same, network.atom_table, seed),
        source.graph,
        source.known,
        "full" if options.mode == "mixture" and not beside else options.mode,
        beside,
    )


def introduction(start: Start, options: Options, task: Task, tried: dict[str, float]) -> list[str]:
    """Say which backbone is fine-tuned, where it is, why this one, and what is read beside it.

    Parameters
    ----------
    start : Start
    options : Options
    task : Task
    tried : dict of str to float
        Errors of all backbones on validation rows, where they were compared.
    """
    if start.source is None:
        return []
    pulled = start.source.pulled
    line = f"backbone {pulled.name} from {pulled.directory}" + (f" ({pulled.note})" if pulled.note else "")
    if tried:
        shown = ", ".join(f"{name} {error:.4g}" for name, error in tried.items())
        what = "MAE of log10" if task.transform == "log10" else f"MAE in {task.unit}" if task.unit else "MAE"
        line += f": the best on validation rows ({what}: {shown})"
    elif options.backbone == "auto":
        recommended = bool(task.recommended_backbone)
        why = "the one that the task recommends" if recommended else "the default: the task recommends none"
        line += f": {why}; --backbone {ALL} compares every one on validation rows"
    if start.experts:
        return [line, f"mode mixture: beside it, {', '.join(each.name for each in start.experts)} are read as they are"]
    if options.mode == "mixture":
        return [line, f"mode full: no backbone of the shelf has a body like that of {start.name}, so nothing to mix"]
    return [line]


def warnings(
    start: Start, records: Sequence[Record], leaks: dict[str, list[int]], overlap: Sequence[int] | None, tested: int
) -> list[str]:
    """Say which rows are no strangers to each other, or to what the networks start from.

    Parameters
    ----------
    start : Start
    records : sequence of Record
    leaks, overlap
        Of :func:`zoo.jobs.lineage.leaks` and :func:`zoo.jobs.lineage.seen`; of test rows, the first seed's are told.
    tested : int
        Number of test rows.
    """
    lines = []
    if copies := sum(n for n in Counter(record.crystal.digest for record in records).values() if n > 1):
        lines.append(
            f"{copies} of {len(records)} rows are exact copies of another row's crystal, so that test rows may be "
            "among those trained on; --split composition keeps them together, zoo study looks for near copies too"
        )
    unlisted = lineage.silent(start.sources)
    if unlisted:
        lines.append(
            f"{', '.join(unlisted)}: nobody lists all crystals that it was trained on; "
            "the others are not compared with test rows"
        )
    if leaks:
        lines += [
            f"{counts[0]} of {tested} test rows are crystals that {name} was trained on, on this very property: "
            "their error says nothing about new crystals"
            for name, counts in leaks.items()
        ]
    elif overlap and max(overlap):
        names = ", ".join(source.name for source in start.sources if source.name not in unlisted)
        targets = ", ".join(dict.fromkeys(target for source in start.sources for target in source.targets))
        lines.append(
            f"{overlap[0]} of {tested} test rows are crystals that {names} saw in training, "
            f"with another property ({targets}): no leak of the target"
        )
    elif overlap is None and len(unlisted) < len(start.sources):
        lines.append(UNKNOWN_IDS)
    return lines


def provenance(start: Start, options: Options, table: Table, digests: dict[str, str]) -> dict[str, Any]:
    """Return where a run's weights come from, JSON-able."""
    pulled = start.source.pulled if start.source else None
    return {
        "backbone": None
        if pulled is None
        else {
            "name": pulled.name,
            "origin": pulled.origin,
            "revision": pulled.revision,
            "sha256": digests[pulled.name],
        },
        "mode": start.mode if pulled else None,
        "experts": {each.name: digests[each.name] for each in start.experts},
        "ancestors": lineage.noted(start.sources),
        "data": {"file": table.source.name, "sha256": table.sha256, "rows": len(table.records)},
        "split": options.split,
        "seeds": list(range(options.seed, options.seed + options.seeds)),
    }
