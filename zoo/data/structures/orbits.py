"""Sites of an asymmetric unit → all atoms of the cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.data.structures.symmetry import Operations

MAX_IMAGES = 1_000_000
"""Most images of sites that are made, before those that coincide are merged: some 200 MB."""

_KEY = 1e5  # images that agree to this many parts of a cell vector are one, once a site stands where it is meant to
_OFFSET = 0.1834  # of a key, so that no coordinate in decimals falls between two keys


def expand(
    frac: NDArray[np.float64],
    tolerances: NDArray[np.float64],
    operations: Operations,
    lattice: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the atoms that symmetry makes of sites.

    A site that lies within its tolerance of a special position is moved there: it is the mean of its images that
    nearly coincide with it, so that coordinates written with three digits give the atoms that are meant.

    Parameters
    ----------
    frac : array of shape (n, 3)
        Fractional coordinates.
    tolerances : array of shape (n,)
        Distances in Å below which an image is the site itself; they follow from the digits given.
    operations : Operations
    lattice : array of shape (3, 3)
        Vectors as rows, in Å.

    Returns
    -------
    array of shape (m, 3)
        Fractional coordinates from 0 to 1, site by site.
    array of shape (m,)
        Which site each atom belongs to.

    Raises
    ------
    InputError
        If there would be too many images, or a site stands too near its own images to tell.
    """
    order = len(operations)
    if len(frac) * order > MAX_IMAGES:
        raise InputError(f"{len(frac)} sites under {order} symmetry operations are more atoms than are taken")
    if order == 1:
        return _wrapped(frac), np.arange(len(frac))
    images = _images(frac, operations)
    apart = images - frac[:, None]
    apart -= np.round(apart)
    here = np.linalg.norm(apart @ lattice, axis=2) < tolerances[:, None]
    special = here.sum(axis=1)
    if (special > 1).any():
        frac = frac + np.where(here[:, :, None], apart, 0.0).sum(axis=1) / special[:, None]
        images = _images(frac, operations)
    keys = np.floor(images * _KEY + _OFFSET).astype(np.int64) % round(_KEY)
    codes = (keys[..., 0] * round(_KEY) + keys[..., 1]) * round(_KEY) + keys[..., 2]
    atoms, owners = [], []
    for site, (points, code) in enumerate(zip(images, codes, strict=True)):
        _, first = np.unique(code, return_index=True)
        if len(first) * special[site] != order:
            raise InputError("a site stands too near its symmetric images, and on no special position")
        atoms.append(points[np.sort(first)])
        owners.append(np.full(len(first), site))
    return _wrapped(np.concatenate(atoms)), np.concatenate(owners)


def _images(frac: NDArray[np.float64], operations: Operations) -> NDArray[np.float64]:
    """Return all images of all sites, of shape (sites, operations, 3)."""
    affine = np.zeros((len(operations), 3, 4))
    affine[:, :, :3], affine[:, :, 3] = operations.rotations, operations.shifts
    homogeneous = np.append(frac, np.ones((len(frac), 1)), axis=1)
    return (homogeneous @ affine.reshape(-1, 4).T).reshape(len(frac), -1, 3)


def _wrapped(frac: NDArray[np.float64]) -> NDArray[np.float64]:
    wrapped = frac - np.floor(frac)
    wrapped[wrapped >= 1] = 0.0
    return wrapped
