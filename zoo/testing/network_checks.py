"""Checks of networks for :mod:`zoo.testing`: each looks at one rule of the contract."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo._utils.validation import first_error, reason
from zoo.registry.contracts import ZOO_API
from zoo.registry.networks import Network
from zoo.registry.plugin_files import one_line_with_place
from zoo.testing import sample_graphs
from zoo.testing.network_extras import fast_path_difference, parts_of, widening_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from pymatgen.core import Structure


def network_is_one(network: Any, given: Any = None) -> None:
    """Check that the object is a network for this version of the contracts, with a description."""
    assert isinstance(network, Network), f"{network!r} is not a zoo.contracts.Network"
    api = network.zoo_api
    assert api == ZOO_API, f"{network.name} was written for zoo_api {api!r}; this version of zoo uses {ZOO_API}"
    assert network.description, f"{_name(network)} needs a description: one sentence that says what it is"
    _settings(network)
    assert sample_graphs.structures(network, given), (
        f"{_name(network)}: no sample crystal has only its elements; give structures"
    )


def network_sizes_are_bounded(network: Any, given: Any = None) -> None:  # noqa: ARG001
    """Check that the settings refuse sizes out of bounds and unknown names."""
    from pydantic import ValidationError

    schema = network.settings.model_json_schema()
    kept = _settings(network).model_dump()
    for name, described in schema.get("properties", {}).items():
        for inner in parts_of(described, schema):
            kind = inner.get("type")
            ends = {end: inner.get(end, inner.get(f"exclusive{end.capitalize()}")) for end in ("minimum", "maximum")}
            if kind in ("integer", "number") and "enum" not in inner and "const" not in inner:
                missing = [end for end, value in ends.items() if value is None]
                assert not missing, f"{_name(network)}: settings.{name} has no {missing[0]}; every number needs bounds"
            if kind == "string":
                bounded = {"enum", "const", "maxLength"} & inner.keys()
                assert bounded, f"{_name(network)}: settings.{name} is any text; name its choices or bound its length"
            if kind == "array":
                assert "maxItems" in inner, (
                    f"{_name(network)}: settings.{name} is a list of any length; bound its length"
                )
        top = described.get("maximum", described.get("exclusiveMaximum"))
        if top is None:
            continue
        try:
            network.settings.model_validate(kept | {name: top + 1})
        except ValidationError:
            continue
        raise AssertionError(f"{_name(network)}: settings.{name} = {top + 1} is out of bounds and accepted")


def network_gives_one_vector_per_crystal(network: Any, given: Any = None) -> None:
    """Check the shape and type of the vectors, and that they are finite and tell crystals apart."""
    import torch

    structures = sample_graphs.structures(network, given)
    body = _built(network)
    for attribute in ("embed", "vector_size", "depths"):
        assert hasattr(body, attribute), f"{_name(network)}: its module has no {attribute}"
    with torch.no_grad():
        vectors = _embed(network, body, sample_graphs.batch(sample_graphs.graphs(structures)))
    expected = (len(structures), body.vector_size)
    assert tuple(vectors.shape) == expected, (
        f"{_name(network)}: embed returns the shape {tuple(vectors.shape)} for {len(structures)} crystals and a "
        f"vector_size of {body.vector_size}, not {expected}"
    )
    assert vectors.dtype == torch.float32, f"{_name(network)}: embed returns {vectors.dtype}, not torch.float32"
    assert bool(vectors.isfinite().all()), f"{_name(network)}: embed returns numbers that are not finite"
    same = len(structures) > 1 and bool((vectors == vectors[0]).all())
    assert not same, f"{_name(network)}: all crystals have the same vector"


def network_takes_its_elements(network: Any, given: Any = None) -> None:
    """Check that each element that the network says it takes, or each that there is, has a vector of finite numbers."""
    import numpy as np
    import torch

    from zoo.data.crystal import MAX_ATOMIC_NUMBER, SYMBOLS
    from zoo.data.elements import known_elements

    body = _built(network)
    table = getattr(body, "atom_table", None)
    known = frozenset(range(1, MAX_ATOMIC_NUMBER + 1)) if table is None else known_elements(table.numpy())
    graph = min(sample_graphs.graphs(sample_graphs.structures(network, given)), key=len)
    made_of = {number: replace(graph, numbers=np.full_like(graph.numbers, number)) for number in sorted(known)}
    taken = [number for number in made_of if network.elements is None or number in network.elements]

    def fails(numbers: list[int]) -> str | None:
        try:
            with torch.no_grad():
                vectors = _embed(network, body, sample_graphs.batch([made_of[number] for number in numbers]))
        except Exception as error:
            return f"raises {one_line_with_place(error)}"
        return None if bool(vectors.isfinite().all()) else "returns numbers that are not finite"

    if not fails(taken):
        return
    for number in taken:
        why = fails([number])
        assert not why, (
            f"{_name(network)}: embed {why} for {SYMBOLS[number]}, element {number}; take all elements up to "
            f"{MAX_ATOMIC_NUMBER}, or name those that it takes: elements=(…)"
        )


def network_is_deterministic(network: Any, given: Any = None) -> None:
    """Check that in evaluation mode, the same batch has the same vectors again."""
    import torch

    body, batch = _built(network), sample_graphs.batch(sample_graphs.graphs(sample_graphs.structures(network, given)))
    with torch.no_grad():
        first, again = (_embed(network, body, batch).numpy() for _ in range(2))
    _assert_close(
        network,
        first,
        again,
        "it is not deterministic in evaluation mode: the same batch has other vectors the second time; switch off "
        "dropout and other random numbers unless self.training, and change no tensor of the batch in place",
    )


def network_names_the_depths_of_its_parameters(network: Any, given: Any = None) -> None:  # noqa: ARG001
    """Check that every parameter lies below one of the prefixes in ``depths``, and every prefix has a parameter."""
    body = _built(network)
    names = [name for name, _ in body.named_parameters()]
    layers = body.depths if isinstance(body.depths, tuple | list) else [body.depths]
    wrong = [each for each in layers if not (isinstance(each, tuple | list) and all(isinstance(p, str) for p in each))]
    assert not wrong, (
        f"{_name(network)}: depths has {wrong[0]!r} in place of a tuple of prefixes; one prefix is written "
        '(("embedding",), …)'
    )
    prefixes = [prefix for depth in body.depths for prefix in depth]
    found = Counter(prefix for name in names for prefix in prefixes if name == prefix or name.startswith(f"{prefix}."))
    empty = [prefix for prefix in prefixes if not found[prefix]]
    assert not empty, f"{_name(network)}: depths names {empty[0]!r}, and no parameter is called so"
    left = [name for name in names if not any(name == each or name.startswith(f"{each}.") for each in prefixes)]
    assert not left, f"{_name(network)}: depths does not say how deep the parameter {left[0]!r} is"


def network_ignores_order_of_atoms(network: Any, given: Any = None) -> None:
    """Check invariance to the order of atoms."""
    import numpy as np
    from pymatgen.core import Structure

    rng = np.random.default_rng(0)
    shuffled = [
        Structure.from_sites([each[int(i)] for i in rng.permutation(len(each))])
        for each in sample_graphs.structures(network, given)
    ]
    _compare(network, given, shuffled, "the order of the atoms changes the vector")


def network_ignores_choice_of_origin(network: Any, given: Any = None) -> None:
    """Check invariance to a common translation of all atoms."""
    moved = [each.copy() for each in sample_graphs.structures(network, given)]
    for each in moved:
        each.translate_sites(range(len(each)), [0.137, 0.291, 0.413])
    _compare(network, given, moved, "a shift of all atoms changes the vector")


def network_ignores_size_of_the_cell(network: Any, given: Any = None) -> None:
    """Check that a supercell has the vector of the cell."""
    supercells = [each * (1, 2, 1) for each in sample_graphs.structures(network, given)]
    _compare(network, given, supercells, "a supercell has another vector than its cell")


def network_ignores_rotations(network: Any, given: Any = None) -> None:
    """Check invariance to a rotation of the whole crystal."""
    import numpy as np
    from pymatgen.core import Structure

    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    turned = [
        Structure(each.lattice.matrix @ turn.T, each.species, each.frac_coords)
        for each in sample_graphs.structures(network, given)
    ]
    _compare(network, given, turned, "a rotation of the crystal changes the vector")


def network_weights_copies_and_counts(network: Any, given: Any = None) -> None:
    """Check that merged graphs, in which a node stands for several equal atoms, have the vectors of complete ones."""
    import torch

    graphs = sample_graphs.graphs(sample_graphs.structures(network, given))
    body = _built(network)
    with torch.no_grad():
        merged, complete = (
            _embed(network, body, sample_graphs.batch(graphs)),
            _embed(network, body, sample_graphs.complete(graphs)),
        )
    _assert_close(
        network,
        merged.numpy(),
        complete.numpy(),
        "a graph in which equal atoms are merged has another vector than the complete one; weight sums over atoms by "
        "'copies' and sums over neighbours by 'count'",
    )


def network_treats_crystals_alone(network: Any, given: Any = None) -> None:
    """Check that the vector of a crystal does not depend on the others in the batch."""
    import torch

    graphs = sample_graphs.graphs(sample_graphs.structures(network, given))
    body = _built(network)
    with torch.no_grad():
        together = _embed(network, body, sample_graphs.batch(graphs))
        alone = torch.cat([_embed(network, body, sample_graphs.batch([graph])) for graph in graphs])
    _assert_close(
        network, together.numpy(), alone.numpy(), "a crystal's vector depends on the others in the batch (in eval mode)"
    )


def network_has_finite_gradients(network: Any, given: Any = None) -> None:
    """Check that in training, gradients reach the parameters and are finite."""
    body = _built(network).train()
    vectors = _embed(network, body, sample_graphs.batch(sample_graphs.graphs(sample_graphs.structures(network, given))))
    assert vectors.requires_grad, (
        f"{_name(network)}: what embed returns has no gradient, so nothing can be trained; do not detach it or compute "
        "it without gradients"
    )
    vectors.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in body.named_parameters()}
    wrong = [name for name, each in gradients.items() if each is not None and not bool(each.isfinite().all())]
    assert not wrong, f"{_name(network)}: the gradient of {wrong[0]} is not finite"
    assert any(each is not None for each in gradients.values()), f"{_name(network)}: no parameter has a gradient"


def network_predicts_the_same_without_torch(network: Any, given: Any = None) -> None:
    """Check that the fast path, if there is one, has the tensors of the module and gives its vectors."""
    if network.fast is not None and network.fast.possible():
        wrong = fast_path_difference(network, _settings(network), _trained(network), given)
        assert not wrong, f"{_name(network)}: {wrong}"


def network_can_be_widened(network: Any, given: Any = None) -> None:
    """Check that bodies side by side, if the network offers that, give the vectors of each."""
    if network.widening is not None:
        bodies = [_trained(network, seed) for seed in range(2)]
        wrong = widening_difference(network, _settings(network), bodies, given)
        assert not wrong, f"{_name(network)}: {wrong}"


def network_can_be_saved_and_loaded(network: Any, given: Any = None) -> None:
    """Check that a module with the same settings takes the tensors of another, by names and shapes known before."""
    import torch
    from safetensors.torch import load, save

    from zoo.errors import PluginError
    from zoo.models.checkpoint.tensors import module_name, stored_name
    from zoo.models.outline import is_counter, outline_of

    settings, first, second = _settings(network), _built(network), _built(network, seed=1)
    try:
        shapes = outline_of(network, settings).shapes
    except PluginError as error:
        raise AssertionError(str(error)) from error
    state = {name: tensor for name, tensor in first.state_dict().items() if name != "atom_table"}
    prefix = network.tensor_prefix
    lost = [name for name in state if module_name(stored_name(f"body.{name}", prefix)) != f"body.{name}"]
    assert not lost, (
        f"{_name(network)}: with tensor_prefix={prefix!r}, {lost[0]} is not found again in a checkpoint; leave out "
        "tensor_prefix"
    )
    different = shapes.items() ^ {name: tuple(tensor.shape) for name, tensor in state.items()}.items()
    assert not different, (
        f"{_name(network)}: on torch's device 'meta' it has other tensors, such as {min(name for name, _ in different)}"
    )
    for name, tensor in state.items():
        kind = torch.int64 if is_counter(name) else torch.float32
        assert tensor.dtype == kind, f"{_name(network)}: {name} is {tensor.dtype}; a checkpoint holds {kind}"
    second.load_state_dict(load(save({name: tensor.contiguous() for name, tensor in first.state_dict().items()})))
    batch = sample_graphs.batch(sample_graphs.graphs(sample_graphs.structures(network, given)))
    with torch.no_grad():
        same = torch.equal(_embed(network, first, batch), _embed(network, second, batch))
    assert same, f"{_name(network)}: after saving and loading, the vectors are others; keep all numbers in the state"


def network_depends_on_the_seed_alone(network: Any, given: Any = None) -> None:  # noqa: ARG001
    """Check that the same seed gives the same initial weights, and another seed others."""
    import torch

    first, second, other = (_built(network, seed).state_dict() for seed in (0, 0, 1))
    same = all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert same, f"{_name(network)}: initial weights are not drawn from torch's generator alone"
    changed = any(not torch.equal(tensor, other[name]) for name, tensor in first.items())
    assert changed, f"{_name(network)}: initial weights do not depend on the seed; do not set one"


def _name(network: Any) -> str:
    return f"network {network.name!r}"


def _settings(network: Any) -> Any:
    from pydantic import ValidationError

    try:
        made = network.settings()
        return network.settings.model_validate(made.model_dump())  # pydantic does not check defaults by itself
    except ValidationError as error:
        place, first = first_error(error)
        name, missing = ".".join(map(str, place)), first["type"] == "missing"
        what = "has no default" if missing else f"has the default {first['input']!r:.60}, which {reason(first)}"
        raise AssertionError(f"{_name(network)}: settings.{name} {what}") from error


def _built(network: Any, seed: int = 0) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = network.build(_settings(network))
    assert isinstance(body, torch.nn.Module), f"{_name(network)}: build returns {body!r:.60}, not a torch module"
    return body.eval()


def _trained(network: Any, seed: int = 0) -> Any:
    """Return a module none of whose numbers, statistics included, are those of a new one."""
    import torch

    body = _built(network, seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name, tensor in body.state_dict().items():
            if tensor.is_floating_point() and name != "atom_table":
                tensor.add_(0.1 * torch.rand_like(tensor))
    return body


def _embed(network: Any, body: Any, batch: Any) -> Any:
    import torch

    try:
        vectors = body.embed(batch)
    except KeyError as error:
        raise AssertionError(
            f"{_name(network)}: embed raises KeyError: {error}; batch.graph has the node data 'number' and 'copies' "
            "and the edge data 'distance' and 'count'"
        ) from error
    assert isinstance(vectors, torch.Tensor), f"{_name(network)}: embed returns {vectors!r:.60}, not a tensor"
    return vectors


def _compare(network: Any, given: Any, changed: Sequence[Structure], what: str) -> None:
    import torch

    body = _built(network)
    with torch.no_grad():
        before, after = (
            _embed(network, body, sample_graphs.batch(sample_graphs.graphs(each))).numpy()
            for each in (sample_graphs.structures(network, given), changed)
        )
    _assert_close(network, before, after, what)


def _assert_close(network: Any, one: NDArray[np.float32], other: NDArray[np.float32], what: str) -> None:
    assert sample_graphs.are_close(one, other), f"{_name(network)}: {what}"


NETWORK_CHECKS = (
    network_is_one,
    network_sizes_are_bounded,
    network_gives_one_vector_per_crystal,
    network_takes_its_elements,
    network_is_deterministic,
    network_names_the_depths_of_its_parameters,
    network_ignores_order_of_atoms,
    network_ignores_choice_of_origin,
    network_ignores_size_of_the_cell,
    network_ignores_rotations,
    network_weights_copies_and_counts,
    network_treats_crystals_alone,
    network_has_finite_gradients,
    network_predicts_the_same_without_torch,
    network_can_be_widened,
    network_can_be_saved_and_loaded,
    network_depends_on_the_seed_alone,
)
NETWORK_CHECKS_AT_SIZES = tuple(
    check
    for check in NETWORK_CHECKS
    if check not in (network_is_one, network_sizes_are_bounded, network_depends_on_the_seed_alone)
)
"""Those of what is computed, for any sizes; the others are of the plugin as a whole."""
