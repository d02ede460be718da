"""Declaration and validation of the fine-tuning options."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from zoo._utils.validation import LaxPath, Number, Whole, validated
from zoo.data.splits import SPLIT, How
from zoo.data.tables.formats.layout import DecimalSign, Layout
from zoo.data.tables.readers import open_table
from zoo.data.tables.rows import RowReader
from zoo.data.tables.table import DECIMAL, ID, SHEET, STRUCTURE, Table, TableSource, no_table
from zoo.errors import InputError, UnknownNameError
from zoo.models.checkpoint.schema import MAX_FEATURIZERS, MAX_MEMBERS
from zoo.registry import plugins, task_choice
from zoo.registry.task_choice import LOG, UNIT, Switch, TaskChoice, TaskChoices, Texts
from zoo.training.settings import BLEND, FAST, Mode, Precision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.training.fit import FitSettings


TEST_FRACTION = 0.1

MAX_SEED = 2**31 - 1
"""Largest seed; scikit-learn takes twice as large ones."""


def _backbone(value: object) -> object:
    """Convert a folder path to a string, and "none" from the command line to None."""
    name = str(value) if isinstance(value, Path) else value
    return None if isinstance(name, str) and name.lower() == "none" else name


@validated
@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Options:
    """Options of a fine-tuning run; see ``zoo finetune --help``.

    Parameters
    ----------
    task : str, Task, list of them, or None
        Target property: the name of a registered one, or a task of one's own. None for the column `target`, with its
        `unit` and transform (`log`). A list for several properties at once; see :mod:`zoo.jobs.finetune.joint`.
    data : Path, DataFrame or Table
        Table of crystals and targets: a file, a pandas DataFrame, or a table in memory.
    backbone : str or None
        Name, folder or ``hf://owner/repo@revision``. "auto" selects the backbone recommended by the task; "all"
        compares all backbones on the validation rows and keeps the best; None trains from scratch.
    mode : str
        The model to fit: "blend" for a cross-fitted blend of a network and classical regressors
        (:mod:`zoo.jobs.crossfit.fit`); "mixture", "full", "head" or "layerwise" for a network
        (:mod:`zoo.training.transfer`); or the name of a baseline, which is cross-fitted alone.
    seeds, seed : int
        Number of repetitions, each with a different split and different initial weights; and the first seed.
    split : {"random", "composition", "chemsys"}
        Rows with the same composition ("composition") or the same set of elements ("chemsys") stay on one side of the
        split; "random" splits by row.
    test, val : float
        Fractions of all rows. With ``test=0`` all rows train, and errors are measured out of fold, or on the validation
        rows if the model is a network alone.
    split_column : str or None
        Column that assigns rows to the parts of the split (train, test, possibly val) or to numbered folds, each of
        which is the test set once.
    test_data : Path, DataFrame, Table or None
        A second table, used entirely as the test set.
    folds : int or None
        Number of folds of an outer cross-validation, drawn with `seed`.
    n_train : int or None
        Number of training rows to use; by default all.
    baselines : tuple of str
        Classical methods to compare the model with.
    beside : tuple of str
        Additional featurizers for the regressors of a blend.
    fast : bool
        Leave the fine-tuned network out of the blend; its frozen backbones are still read.
    compare_scratch : bool
        Also train the network from scratch on the same splits.
    epochs, batch_size, learning_rate, patience, precision
        Replace the tuned defaults; see :class:`zoo.training.fit.FitSettings`.
    target : str, list of str, or None
        Column of the target, if its name is not one that the task recognises, or there is no task. A list for several
        properties at once.
    unit : str, list of str, or None
        Unit of a property without a task; None for none. A list for several, with "" for none.
    log : bool, list of str, or None
        Whether a property without a task is learned in log10; of several, a list names those that are. By default the
        training rows decide; see :func:`zoo.data.scaling.propose_transform`.
    structures : Path or None
        Folder of structure files, for tables that contain only ids.
    id, structure : str or None
        Columns of the identifiers, and of the structures or of names of structure files; by default they are found by
        their names, else by their cells.
    sheet : str or None
        Sheet of an Excel workbook; by default the only one that is not empty.
    decimal : {".", ","} or None
        Decimal sign of numbers that are texts; by default found where the target's column leaves no doubt.
    max_rejected : float
        Maximum fraction of unusable rows.

    Raises
    ------
    InputError
        If a value has the wrong type or is out of range; the message names the option.
    """

    task: Annotated[
        TaskChoices | None,
        Field(description="Target property; 'zoo plugins list' shows them. Any other: see --target."),
    ] = None
    data: TableSource = Field(default_factory=no_table)
    backbone: Annotated[
        str | None,
        BeforeValidator(_backbone),
        Field(
            description="Name, folder or hf://owner/repo@rev; all tries every backbone and keeps the best on "
            "validation rows, none starts from random weights.  [default: recommended by the task]"
        ),
    ] = "auto"
    mode: Annotated[
        str,
        Field(
            description="What to fit. blend: a network and classical regressors, weighed by cross-validation; "
            "mixture: all weights of the network, with a head that also reads zoo's other backbones, frozen; full: all "
            "weights; head: the head alone; layerwise: all weights, the early layers more slowly; or a baseline, for "
            "example svr."
        ),
    ] = BLEND
    seeds: Annotated[
        Whole, Field(ge=1, le=MAX_MEMBERS, description="Number of repetitions, each with its own split.")
    ] = 1
    seed: Annotated[Whole, Field(le=MAX_SEED, description="The first seed.")] = 0
    split: Annotated[
        How,
        Field(description=SPLIT),
    ] = "random"
    test: Annotated[
        Number,
        Field(description="Fraction of rows held out for the test error; 0 trains on all, with errors out of fold."),
    ] = TEST_FRACTION
    val: Number = 0.1
    split_column: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Column that says which rows are test rows: train, test and possibly val, or numbers of folds, "
            "each of which is the test set once.",
        ),
    ] = None
    test_data: Annotated[
        TableSource | None,
        BeforeValidator(lambda source: None if isinstance(source, str) and not source else source),
        Field(description="A second table, whose rows are the test rows."),
    ] = None
    folds: Annotated[
        Whole | None, Field(ge=2, le=MAX_MEMBERS, description="Cross-validate: each of this many folds is tested once.")
    ] = None
    n_train: Annotated[Whole | None, Field(description="Number of training rows to use.  [default: all]")] = None
    baselines: tuple[str, ...] = ()
    beside: Annotated[tuple[str, ...], Field(max_length=MAX_FEATURIZERS - 1)] = ()
    fast: Annotated[bool, Field(description=FAST)] = False
    compare_scratch: bool = False
    epochs: Annotated[Whole | None, Field(ge=1, description="Maximum number of epochs.  [default: tuned]")] = None
    batch_size: Annotated[  # at least two: a single value has no variance for normalisation
        Whole | None, Field(ge=2, description="Crystals per step.  [default: tuned]")
    ] = None
    learning_rate: Annotated[Number | None, Field(gt=0, description="Peak learning rate.  [default: tuned]")] = None
    patience: Annotated[
        Whole | None, Field(ge=1, description="Stop after this many validations without improvement.  [default: never]")
    ] = None
    precision: Annotated[Precision | None, Field(description="Number format.  [default: 32-true]")] = None
    target: Annotated[
        Texts | None,
        Field(
            description="Column of the target; without --task, any property. Repeat it to learn several at once; rows "
            "may lack values.  [default: the task's own]"
        ),
    ] = None
    unit: Annotated[Texts | None, Field(description=f"{UNIT} Repeated for several targets.")] = None
    log: Annotated[Switch | None, Field(description=LOG)] = None
    structures: Annotated[
        LaxPath | None,
        BeforeValidator(lambda path: path or None),
        Field(description="Folder or .zip of structure files named after the table's ids."),
    ] = None
    id: Annotated[str | None, Field(description=ID)] = None
    structure: Annotated[str | None, Field(description=STRUCTURE)] = None
    sheet: Annotated[str | None, Field(description=SHEET)] = None
    decimal: Annotated[DecimalSign | None, Field(description=DECIMAL)] = None
    max_rejected: Annotated[Number, Field(description="Stop if a larger fraction of rows is unusable.")] = 0.1

    def __post_init__(self) -> None:
        self._check_splits()
        if self.fast and (self.mode != BLEND or self.backbone in (None, "all")):
            raise InputError(
                "--fast leaves the fine-tuned network out of a blend on one backbone; give it without --mode, and "
                "without --backbone none or all"
            )
        self._check_targets()
        if self.mode in (BLEND, *get_args(Mode)):
            return
        try:
            plugins.find("baseline", self.mode)
        except UnknownNameError as error:
            known = ", ".join((BLEND, *get_args(Mode)))
            raise InputError(f"--mode {self.mode}: use one of {known}, or a baseline ({error})") from None
        if self.backbone == "all":
            raise InputError(f"--backbone all compares backbones, and --mode {self.mode} reads none; leave out one")

    def _check_splits(self) -> None:
        values = {"--split-column": self.split_column, "--test-data": self.test_data, "--folds": self.folds}
        given = {name: value for name, value in values.items() if value is not None}
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)}: each says which rows are test rows; give one of them")
        for name, value in given.items():
            if self.test != TEST_FRACTION:
                shown = name if name == "--test-data" else f"{name} {value}"
                raise InputError(f"--test {self.test:g}: {shown} says which rows are test rows; leave out one")
        if self.test == 0 and (self.baselines or self.compare_scratch):
            raise InputError(
                "--test 0: without test rows there is nothing to compare methods on; leave out --baseline and --compare"
            )
        if self.folds and self.seeds > 1:
            raise InputError(f"--seeds {self.seeds} with --folds {self.folds}: a fold is tested once; give one")

    def _check_targets(self) -> None:
        every = self.each()
        tasks = [each.choice for each in every]  # checks that there is one
        if len(every) == 1:
            return
        for choice in tasks:
            if task_choice.chosen(choice).classes:
                raise InputError(
                    f"the task {task_choice.name_of(choice)} has classes, and several targets at once are numbers; "
                    "start a run of its own"
                )
        if self.backbone == "all":
            raise InputError("--backbone all compares backbones on one target, and there are several; name one")
        if isinstance(self.data, Table):
            raise InputError("a table in memory holds one target; give several in a DataFrame")

    def each(self) -> tuple[Options, ...]:
        """Return the options of a run for each target; with a single target, these."""
        own = task_choice.several(self.task, self.target, self.unit, self.log)
        if len(own) == 1:
            return (self,)
        return tuple(replace(self, **each) for each in own)

    @property
    def layout(self) -> Layout:
        """What the user says about the layout of tables."""
        return Layout(self.id, self.structure, self.sheet, self.decimal)

    @property
    def choice(self) -> TaskChoice:
        """The task of a single target: its name, an object, or one made of the target's column."""
        (only,) = task_choice.several(self.task, self.target, self.unit, self.log)
        return task_choice.choice(**only)

    @property
    def shown_mode(self) -> str:
        """The mode, as a run and its card name it."""
        return f"{self.mode}, fast" if self.fast else self.mode

    @property
    def network_mode(self) -> Mode | None:
        """Fine-tuning mode of the network; None for a baseline."""
        if self.mode == BLEND:
            return "mixture"
        return cast("Mode", self.mode) if self.mode in get_args(Mode) else None

    @property
    def cross_fitted(self) -> bool:
        """Whether the model is cross-fitted on folds of all rows outside the test set."""
        return self.mode not in get_args(Mode) and not (self.mode == BLEND and self.backbone is None)

    def chosen_backbone(self) -> str | None:
        """Return the name of the backbone, with "auto" resolved; None for random weights.

        With several targets, it is the one that all of their tasks recommend, else the default.
        """
        if self.backbone != "auto":
            return self.backbone
        found = {task_choice.recommended_backbone(each.choice) for each in self.each()}
        return found.pop() if len(found) == 1 else task_choice.DEFAULT_BACKBONE

    def fit_settings(self, rows: int, *, from_scratch: bool) -> FitSettings:
        """Return the tuned fit settings for a number of training rows, with the user's overrides applied."""
        from zoo.jobs.methods import SCRATCH, TRANSFER, sized

        settings = sized(SCRATCH if from_scratch else TRANSFER, rows)
        chosen = {
            name: getattr(self, name) for name in ("epochs", "batch_size", "learning_rate", "patience", "precision")
        }
        return replace(settings, **{name: value for name, value in chosen.items() if value is not None})

    def fingerprint(self, data: Mapping[str, str], backbones: Sequence[str], rows: int) -> dict[str, Any]:
        """Return everything that a finished fit depends on.

        The number of seeds and the methods compared are not included, so they can change when a run is resumed.

        Parameters
        ----------
        data : mapping of str to str
            Digests of the rows read, in order.
        backbones : sequence of str
            Digests of the backbone weights.
        rows : int
            Number of training rows.
        """
        left_out = ("seeds", "baselines", "compare_scratch", "data", "test_data", "structures", "max_rejected")
        settings = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in left_out}
        return {
            **settings,
            "task": task_choice.definitions(self.task),
            **data,
            "backbones_sha256": list(backbones),
            "fit": [asdict(self.fit_settings(rows, from_scratch=flag)) for flag in (False, True)],
        }


def default_out(options: Options, *, resume: bool = False) -> Path:
    """Return the default run folder, ``runs/TASK-BACKBONE`` or ``runs/TASK-BACKBONE-N``.

    N is one more than the highest number in use. For a baseline alone, its name replaces that of the backbone, and for
    a table of formulas alone, which no backbone reads, "formulas" does. With `resume`, the folder is that of the
    unfinished run with the highest number, if there is one.
    """
    backbone = options.chosen_backbone() if options.network_mode else options.mode
    backbone = "formulas" if options.network_mode and _has_formulas(options) else backbone
    source = Path(backbone or "scratch").name.split("@")[0]
    names = "+".join(task_choice.name_of(each.choice) for each in options.each())
    stem = f"{names}-{source.split(':')[-1]}"
    runs = Path("runs")
    taken: dict[int, bool] = {}  # number -> whether the run is unfinished
    for path in runs.iterdir() if runs.is_dir() else ():
        name = path.name.removesuffix(".partial")
        behind = "1" if name == stem else name.removeprefix(f"{stem}-")
        if name.startswith(stem) and behind.isdecimal():
            taken[int(behind)] = taken.get(int(behind), False) or name != path.name
    unfinished = [number for number, partial in taken.items() if partial]
    number = max(unfinished) if resume and unfinished else max(taken, default=0) + 1
    return runs / (stem if number == 1 else f"{stem}-{number}")


def _has_formulas(options: Options) -> bool:
    """Return whether the table has formulas and no structures; False if it cannot be read, as the run will say."""
    if isinstance(options.data, Table):
        return any(not record.crystal.has_structure for record in options.data.records[:1])
    with suppress(InputError):
        return RowReader(open_table(options.data, options.layout), options.structures, layout=options.layout).formulas
    return False
