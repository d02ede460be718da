"""Prediction with a run of several targets: a folder with a model for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zoo._utils import bounded
from zoo._utils.python_api import public
from zoo._utils.wording import as_html, listed, with_unit
from zoo.data.graphs.memory import CrystalMemory
from zoo.data.structures.conversion import convert, usable_items
from zoo.errors import CheckpointError, InputError
from zoo.jobs.predict import model as single
from zoo.jobs.predict.columns import frame_of, in_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo.data.crystal import Crystal
    from zoo.data.structures.conversion import OnError
    from zoo.hub.pull import OriginChoice
    from zoo.jobs.predict.model import Model

TARGETS_FILE = "targets.json"
"""File that makes a folder a run of several targets: the folder of each, by its column."""


@dataclass(frozen=True, eq=False)
class JointModel:
    """The models of a run of several targets; iterating gives them in order.

    Parameters
    ----------
    name : str
        Name of the run.
    directory : Path
    models : dict of str to Model
        By the column of the target.
    """

    name: str
    directory: Path
    models: dict[str, Model]

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models.values())

    def __getitem__(self, target: str) -> Model:
        """Return the model of a target.

        Raises
        ------
        InputError
            If there is no such target.
        """
        for name, model in self.models.items():
            if target in (name, model.config.target.task):
                return model
        raise InputError(f"{self.name} does not predict {target!r}; it has {', '.join(self.models)}")

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the predicted properties."""
        return tuple(self.models)

    def columns(self, interval: float | None = None) -> tuple[str, ...]:
        """Return the columns of a table of predictions: those of each model, with the name of its target."""
        return (
            "id",
            *(f"{column}_{name}" for name, model in self.models.items() for column in model.columns(interval)[1:]),
        )

    @public("JointModel.predict")
    def predict(
        self,
        structures: object,
        ids: Sequence[str] | None = None,
        *,
        interval: float | None = None,
        on_error: OnError = "raise",
    ) -> pd.DataFrame:
        """Predict all targets.

        Parameters
        ----------
        structures, ids, interval, on_error
            As in :meth:`zoo.Model.predict`.

        Returns
        -------
        DataFrame of n rows
            ``id``, and the columns of each model, with the name of its target: ``prediction_TARGET`` and so on.

        Raises
        ------
        InputError
            As :meth:`zoo.Model.predict` does.
        """
        converted = convert(structures, ids=ids, on_error=on_error)
        for model in self:
            model.check_interval(interval)
        rows = in_chunks(converted.crystals, partial(self._chunk, interval=interval))
        return frame_of(usable_items(rows, converted, on_error=on_error), converted, self.columns(interval))

    def _chunk(self, crystals: Sequence[Crystal], *, interval: float | None) -> list[dict[str, Any] | InputError]:
        memory = CrystalMemory()
        predicted = [model.predict_each(crystals, interval=interval, memory=memory) for model in self]
        rows: list[dict[str, Any] | InputError] = []
        for results in zip(*predicted, strict=True):
            errors = [each for each in results if isinstance(each, InputError)]
            row: dict[str, Any] = {}
            for name, each in zip(self.models, results, strict=True):
                if not isinstance(each, InputError):
                    row |= {f"{column}_{name}": value for column, value in each.items()}
            rows.append(errors[0] if errors else row)
        return rows

    @public("JointModel.embed")
    def embed(self, structures: object, pooling: str = "all") -> NDArray[Any]:
        """Return the vectors of the first target's network; see :meth:`zoo.Model.embed`."""
        return next(iter(self)).embed(structures, pooling)

    def __repr__(self) -> str:
        shown = listed([with_unit(name, model.unit) for name, model in self.models.items()])
        return f"<JointModel {self.name}: {shown}>"

    def _repr_html_(self) -> str:
        facts = {
            "predicts": listed([with_unit(name, model.unit) for name, model in self.models.items()]),
            "folder": str(self.directory),
        }
        return as_html(f"Model {self.name}", facts)


@public("zoo.load")
def load(
    ref: str | Path, *, target: str | None = None, device: Device = "auto", source: OriginChoice = "auto"
) -> Model:
    """Load a backbone or a fine-tuned run.

    Parameters
    ----------
    ref : str or Path
        Name of a registered backbone, a folder written by ``zoo finetune`` or ``zoo convert``, or
        ``hf://owner/repo@revision``.
    target : str, optional
        Property to predict, by name or task, for a backbone that was trained on several properties; by default the
        first.
    device : {"auto", "cpu", "cuda"}
    source : {"auto", "hub", "bundled"}
        Source of the weights of a registered backbone.

    Returns
    -------
    Model
        Of a run of several targets a :class:`JointModel`, which predicts all of them, unless one is asked for.

    Raises
    ------
    UnknownNameError, NotPublishedError, HubError, IntegrityError, CheckpointError
    InputError
        If the checkpoint does not predict `target`.

    Examples
    --------
    >>> import zoo
    >>> zoo.load("dEf-10k").target
    'formation_energy_per_atom'
    """
    folder = Path(ref).expanduser()
    below = read_folders(folder)
    if below is None:
        return single.load(ref, target=target, device=device, source=source)
    # Each is called by its folder's name in columns and messages.
    models = {name: single.load(path, device=device) for name, path in below.items()}
    joint = JointModel(folder.resolve().name, folder, models)
    return cast("Model", joint) if target is None else joint[target]


def load_each(refs: Sequence[str | Path], *, target: str | None = None, device: Device = "auto") -> list[Model]:
    """Load models, of a run of several targets one for each; see :func:`load`."""
    found = [load(ref, target=target, device=device) for ref in refs]
    return [model for each in found for model in (each if isinstance(each, JointModel) else [each])]


def read_folders(folder: Path) -> dict[str, Path] | None:
    """Return the folder of each target of a run of several targets; None if a folder is no such run.

    Raises
    ------
    CheckpointError
        If its file is damaged.
    """
    path = folder / TARGETS_FILE
    try:
        found = bounded.read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, bounded.MalformedError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    folders = found.get("targets") if isinstance(found, dict) and found.get("format") == 1 else None
    if not (isinstance(folders, dict) and folders):
        raise CheckpointError(f"{path} does not list the targets of a run")
    for name in folders.values():
        if not (isinstance(name, str) and re.fullmatch(r"[\w.+-]+", name) and name.strip(".")):
            raise CheckpointError(f"{path}: {str(name)[:60]!r} is not the name of a folder")
    return {target: folder / name for target, name in folders.items()}
