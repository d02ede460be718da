"""Prediction and embedding with a backbone or a fine-tuned run."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zoo._utils.devices import Device, choose_device
from zoo._utils.progress import log_step
from zoo._utils.python_api import public
from zoo._utils.wording import counted
from zoo.data.composition import Composition
from zoo.data.crystal import SYMBOLS, Crystal
from zoo.data.graphs.memory import recalled_graphs
from zoo.data.graphs.neighbors import CrystalGraph, build_graphs
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import restored, transformed
from zoo.data.structures.conversion import convert, usable_items
from zoo.errors import InputError
from zoo.hub import pull
from zoo.jobs.predict import intervals
from zoo.jobs.predict.columns import class_columns, frame_of, in_chunks, names, note
from zoo.jobs.predict.features import Featurizers, stacked
from zoo.jobs.predict.notebook import model_html
from zoo.models import torch_free
from zoo.models.checkpoint import weights
from zoo.models.outline import elements_of, expert_sizes, outline
from zoo.models.regression import blends
from zoo.models.regression.kernel_groups import KernelGroup
from zoo.models.torch_free import Ensemble

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from zoo.data.graphs.memory import CrystalMemory
    from zoo.data.structures.conversion import OnError
    from zoo.jobs.predict.features import Rows
    from zoo.models.checkpoint.schema import Config
    from zoo.models.checkpoint.weights import CheckpointArrays
    from zoo.models.inference import TorchEnsemble
    from zoo.models.network import CrystalNetwork

    _Input: TypeAlias = tuple[CrystalGraph | None, Rows]


@dataclass(frozen=True, eq=False)
class Model:
    """A checkpoint that is ready for prediction.

    Parameters
    ----------
    checkpoint : CheckpointArrays
        One network, or several from a fine-tuning with several seeds.
    name : str
        Name of the backbone or of the run.
    directory : Path
        Folder of the checkpoint.
    device : {"cpu", "cuda"}
        Device for the computations. On a CPU, torch is not used if the compiled kernels are available.
    """

    checkpoint: CheckpointArrays
    name: str
    directory: Path
    device: str = "cpu"

    @cached_property
    def _known(self) -> frozenset[int]:
        return elements_of(self.config.architecture, self.checkpoint.atom_table)

    @cached_property
    def _alone(self) -> CheckpointArrays:
        """The part of the checkpoint for the first target."""
        return weights.select_target(self.checkpoint)

    @cached_property
    def _ensemble(self) -> Ensemble | TorchEnsemble:
        alone = self._alone
        size = alone.config.architecture
        if self.device == "cpu" and torch_free.possible(size):
            return Ensemble([torch_free.Predictor(size, alone.atom_table, each.tensors) for each in alone.members])
        from zoo.models.inference import TorchEnsemble, TorchPredictor

        return TorchEnsemble([TorchPredictor(network, self.device) for network in self.networks])

    @cached_property
    def _kernels(self) -> list[KernelGroup]:
        return [KernelGroup(member.regressors, self.config.width) for member in self._alone.members]

    @cached_property
    def _featurizers(self) -> Featurizers | None:
        """Featurizers for the regressors of a blend; None if they are not needed."""
        blend = self.config.blend
        return Featurizers(self.name, blend) if blend and blend.featurizers else None

    @cached_property
    def networks(self) -> list[CrystalNetwork]:
        """The members as torch modules, in evaluation mode and on the model's device.

        Each takes a batched DGLGraph (see :func:`zoo.graph`) and returns scaled predictions of the first target, shape
        (B,).
        """
        from zoo.models.checkpoint.networks import build

        return [member.network.to(self.device) for member in build(self._alone).members]

    @property
    def network(self) -> CrystalNetwork:
        """The first network."""
        return self.networks[0]

    def __getstate__(self) -> dict[str, Any]:
        """Return only the fields; the compiled weights derived from them cannot be pickled or copied."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        unit = f" ({self.unit})" if self.unit else ""
        networks = f", {len(self.checkpoint.members)} networks" if len(self.checkpoint.members) > 1 else ""
        return f"<Model {self.name}: {self.target}{unit}{networks}, on {self.device}>"

    def _repr_html_(self) -> str:
        return model_html(self)

    @property
    def config(self) -> Config:
        """Configuration of the checkpoint: all settings that affect a prediction, besides the weights."""
        return self.checkpoint.config

    @property
    def unit(self) -> str:
        """Unit of the predictions."""
        return self.config.target.unit

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels of the predicted classes; empty if the property is a number."""
        return self.config.target.classes

    @property
    def target(self) -> str:
        """Name of the predicted property."""
        return self.config.target.name

    @property
    def reads_compositions(self) -> bool:
        """Whether the model was made from formulas: it reads the compositions of crystals, and formulas."""
        return bool(self.config.blend and self.config.blend.compositions)

    def columns(self, interval: float | None = None) -> tuple[str, ...]:
        """Return the columns of a table of predictions, with an interval if one is asked for."""
        return names(self.classes, interval=interval is not None)

    @public("Model.predict")
    def predict(
        self,
        structures: object,
        ids: Sequence[str] | None = None,
        *,
        interval: float | None = None,
        on_error: OnError = "raise",
    ) -> pd.DataFrame:
        """Predict the property of crystals.

        Parameters
        ----------
        structures : object
            One ordered crystal or n of them: pymatgen Structures, ASE Atoms, Crystals, dictionaries, text of CIFs or
            POSCARs, or paths of structure files, in a list, generator, array, pandas Series, or dictionary of
            identifiers to structures. :func:`zoo.read` gives those of a folder, table or archive. A model made from
            formulas takes these as well, as texts or pymatgen Compositions.
        ids : sequence of n str, optional
            Identifiers of the rows; by default a Series' labels, a dictionary's keys, or positions.
        interval : float, optional
            Probability that an interval contains the true value, for example 0.9; for the assumptions see
            :mod:`zoo.analysis.conformal`.
        on_error : {"raise", "skip"}
            Whether a structure that cannot be used ends in an error, or gets no row and is named in a warning.

        Returns
        -------
        DataFrame of n rows
            ``id``; ``prediction``, the mean over the members, and ``spread``, their sample standard deviation (NaN
            for a single member), both in ``unit``; with `interval`, the bounds ``lower`` and ``upper``, also in
            ``unit``; ``note``, which lists elements missing from the training set and flags crystals far from it.
            Of classes, ``prediction`` is a label, and ``probability_LABEL`` holds the probability of each class.
            The index is that of a Series or data frame, so that results can be assigned to its rows.

        Raises
        ------
        InputError
            If a structure cannot be used; the message gives its position and the reason. Also if the checkpoint has
            no calibration data for intervals, or too few for the requested level.

        Examples
        --------
        >>> import zoo
        >>> from pymatgen.core import Lattice, Structure
        >>> salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]])
        >>> table = zoo.load("dEf-10k").predict(salt)
        >>> float(table.prediction[0]) < -1.5  # -2.1 eV/atom by DFT
        True
        >>> table.unit[0]
        'eV/atom'
        """
        converted = convert(structures, ids=ids, on_error=on_error)
        self.check_interval(interval)
        rows = in_chunks(converted.crystals, partial(self.predict_each, interval=interval))
        return frame_of(usable_items(rows, converted, on_error=on_error), converted, self.columns(interval))

    def check_interval(self, level: float | None) -> None:
        """Check that the checkpoint supports intervals at a given level.

        Raises
        ------
        InputError
            If it does not.
        """
        if level is not None and self.classes:
            raise InputError(f"{self.name} predicts classes: each has a probability, and there is no interval")
        if level is not None:
            intervals.check(self.name, self.checkpoint.members, level)

    @public("Model.embed")
    def embed(self, structures: object, pooling: str = "all") -> NDArray[np.float64]:
        """Return the pooled embeddings of crystals, shape (n, d); from the first member if there are several.

        Parameters
        ----------
        structures : object
            As in :meth:`predict`.
        pooling : str
            "all" gives the vectors that describe a crystal best. A network may offer others: of CGCNN, "all"
            concatenates the means over the cell of the outputs of the embedding and of every convolution, and "last"
            uses only the last convolution, which is specific to the property that the network was trained on
            (docs/benchmarks/defaults.md). "mean-max-min" adds the largest and smallest values over the atoms, as "all"
            does for a CGCNN that was trained with them.

        Raises
        ------
        InputError
            As :meth:`predict` does.
        """
        if self.reads_compositions:
            raise InputError(f"{self.name} reads compositions and has no network, so it has no vectors of crystals")
        body = self.config.architecture.pooled(pooling)
        converted = convert(structures)
        graphs = list(usable_items(self._graphs(converted.crystals), converted).values())
        if not graphs:
            return np.empty((0, outline(body).vector_size))
        return self._ensemble.embed(PackedGraphs.pack(graphs), body).astype(np.float64)

    def predict_each(
        self, crystals: Sequence[Crystal], *, interval: float | None = None, memory: CrystalMemory | None = None
    ) -> list[dict[str, Any] | InputError]:
        """Predict each crystal: a dict with the :meth:`columns` other than ``id``, or the error if it cannot be used.

        `memory` holds the graphs and feature vectors for other models that predict the same crystals.
        """
        inputs = self._inputs(crystals, memory)
        usable = {place: each for place, each in enumerate(inputs) if not isinstance(each, InputError)}
        columns = self._predict([crystals[place] for place in usable], list(usable.values()), interval)
        shown = self.columns(interval)[1:]
        rows = zip(*(columns[name] for name in shown), strict=True)
        found = {place: dict(zip(shown, row, strict=True)) for place, row in zip(usable, rows, strict=True)}
        return [each if isinstance(each, InputError) else found[place] for place, each in enumerate(inputs)]

    def _graphs(
        self, crystals: Sequence[Crystal], memory: CrystalMemory | None = None
    ) -> list[CrystalGraph | InputError]:
        """Build the graphs; for an unsupported crystal, return the error instead of its graph."""
        settings = self.config.graph_settings
        graphs = (
            recalled_graphs(crystals, settings, memory)
            if memory is not None
            else list(build_graphs(crystals, settings))
        )
        for position, crystal in enumerate(crystals):
            unknown = [SYMBOLS[z] for z in np.unique(crystal.numbers) if int(z) not in self._known]
            if unknown:
                graphs[position] = InputError(f"{self.name} has no features for the element {unknown[0]}")
        return graphs

    def _inputs(self, crystals: Sequence[Crystal], memory: CrystalMemory | None = None) -> list[_Input | InputError]:
        """Build the graphs and the feature vectors for a blend's regressors; return the error where either fails."""
        if self.reads_compositions and self._featurizers:
            found = self._featurizers.vectors([Composition.of(each) for each in crystals], memory) if crystals else []
            return [_paired(None, each) for each in found]
        graphs = self._graphs(crystals, memory)
        good = [crystal for crystal, graph in zip(crystals, graphs, strict=True) if not isinstance(graph, InputError)]
        vectors: Sequence[Rows | InputError] = [{}] * len(good)
        if self._featurizers and good:
            vectors = self._featurizers.vectors(good, memory)
        rest = iter(vectors)
        return [graph if isinstance(graph, InputError) else _paired(graph, next(rest)) for graph in graphs]

    def _values(
        self, graphs: PackedGraphs, features: Mapping[str, NDArray[np.float64]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Evaluate the K members for n crystals.

        Returns
        -------
        values, disagreements : arrays of shape (K, n)
            The predictions of the members and the disagreement in each, in the transformed space.
        far : array of shape (n,)
            Whether a crystal is far from those of the training set.
        """
        members, reference, size = self._alone.members, self.checkpoint.reference, self.config.architecture
        chosen = [place for place, member in enumerate(members) if member.weight]
        networks = self._ensemble.evaluate(graphs, chosen, size.transferred if reference else None)
        outputs = dict(zip(chosen, networks.outputs, strict=True))
        inputs = blends.Inputs(features, networks.experts, expert_sizes(size))
        found = [
            blends.member_values(member, outputs.get(place), inputs, kernels)
            for place, (member, kernels) in enumerate(zip(members, self._kernels, strict=True))
        ]
        values, disagreements = (np.stack(each) for each in zip(*found, strict=True))
        far = np.zeros(values.shape[1], dtype=bool)
        if reference and networks.embedded is not None:
            far = reference.is_far(networks.embedded.astype(np.float64))
        return values, disagreements, far

    def _predict(
        self,
        crystals: Sequence[Crystal],
        inputs: Sequence[_Input],
        interval: float | None,
    ) -> dict[str, list[Any]]:
        """Return all columns except the identifiers."""
        if not inputs:
            return {name: [] for name in self.columns(interval)}
        members, blend = self._alone.members, self.config.blend
        graphs = [graph for graph, _ in inputs if graph is not None]
        packed = PackedGraphs.pack(graphs) if graphs else PackedGraphs.none()
        centers, disagreements, far = self._values(packed, stacked([rows for _, rows in inputs]))
        transform = members[0].scaler.transform
        values = restored(centers, transform)
        means = blends.bagged(centers, transform, blend.valid) if blend else values.mean(axis=0)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(len(inputs), np.nan)
        columns: dict[str, list[Any]] = {
            "prediction": means.tolist(),
            "unit": [self.unit] * len(inputs),
            "spread": spread.tolist(),
            "note": [
                note(
                    crystal,
                    self.config.elements,
                    self.checkpoint.reference,
                    far=bool(outside),
                    finite=bool(np.isfinite(value).all()),
                )
                for crystal, outside, value in zip(crystals, far, means, strict=True)
            ],
        }
        if self.classes:
            columns |= class_columns(centers, self.classes)
        if interval:
            ends = intervals.ends(members, centers, disagreements, transformed(means, transform), interval)
            for name, end in zip(("lower", "upper"), ends, strict=True):
                restored_end = restored(end, transform)
                columns[name] = (blends.clip(restored_end, blend.valid) if blend else restored_end).tolist()
        return columns


def _paired(graph: CrystalGraph | None, rows: Rows | InputError) -> _Input | InputError:
    return rows if isinstance(rows, InputError) else (graph, rows)


def load(
    ref: str | Path, *, target: str | None = None, device: Device = "auto", source: pull.OriginChoice = "auto"
) -> Model:
    """Load a backbone or a fine-tuned run of one target; see :func:`zoo.jobs.predict.joint.load`.

    Raises
    ------
    UnknownNameError, NotPublishedError, HubError, IntegrityError, CheckpointError
    InputError
        If the checkpoint does not predict `target`, or the folder holds a run for each of several targets.
    """
    pulled = pull.pull(ref, source=source)
    start = time.monotonic()
    checkpoint = weights.read(pulled.directory)
    if target is not None:
        checkpoint = weights.select_target(checkpoint, target)
    config = checkpoint.config
    log_step(start, f"read {pulled.directory}: {counted(len(config.members), 'member')}, {config.target.name}")
    return Model(checkpoint, pulled.name, pulled.directory, choose_device(device))
