# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The gated sums of `zoo.models`, and their gradients, compiled: one pass over the edges, in vector instructions.

Written with NumPy or torch, the same takes a dozen passes.
"""

import numpy as np

from zoo.models.kernels.shapes cimport check_shapes

window = WINDOW
"""Number of neighbouring Gaussians that a distance is expanded into; the others are below e^-16."""


def largest(const float[::1] distances not None, float spacing, int64_t gaussians):
    """Expand distances into their largest Gaussians.

    Parameters
    ----------
    distances : array of shape (R,)
    spacing : float
        Distance between two Gaussians, and their width; the first one is at zero.
    gaussians : int
        Number of Gaussians.

    Returns
    -------
    values : array of shape (R, `window`)
        The largest Gaussians of each distance, which follow each other.
    firsts : array of shape (R,)
        Index of the first of them.
    """
    cdef float[:, ::1] values = np.empty((distances.shape[0], WINDOW), dtype=np.float32)
    cdef int64_t[::1] firsts = np.empty(distances.shape[0], dtype=np.int64)
    if distances.shape[0] > 0:
        with nogil:
            expand_distances(
                &values[0, 0], &firsts[0], &distances[0], spacing, max(gaussians - WINDOW, 0), distances.shape[0]
            )
    return np.asarray(values), np.asarray(firsts)


cdef inline float *factor(float[:, :, ::1] kept, Py_ssize_t which) noexcept nogil:
    """Return where the first or the second factor of each edge is kept; NULL if they are not."""
    return NULL if kept is None else &kept[which, 0, 0]


cdef int check_arrays(
    Edges edges,
    const float[:, ::1] weight,
    const float[:, ::1] center,
    const float[:, ::1] neighbor,
    const float[:, ::1] sums,
    const float[:, :, ::1] kept,
) except -1:
    """Check the shapes of arrays by Gaussian, by atom at either end, by atom and by edge."""
    check_shapes(weight.shape[1] == center.shape[1] == neighbor.shape[1] == 2 * sums.shape[1])
    check_shapes(center.shape[0] == neighbor.shape[0] == sums.shape[0] == edges.starts.shape[0])
    if kept is not None:
        check_shapes(kept.shape[0] == 2 and kept.shape[1] == edges.gaussians.shape[0])
        check_shapes(kept.shape[2] == sums.shape[1])
    return check_shapes(edges.highest <= weight.shape[0] - WINDOW)


cdef class Edges:
    """The edges of some atoms, in the order of the atoms that they belong to.

    Gate and core of an edge are sums of three terms, one of each atom at its ends and one of the distance, for each of
    `width` features. Sums over edges are computed piece by piece; threads may work on different pieces.

    Parameters
    ----------
    gaussians : array of shape (R, `window`)
        The largest Gaussians of each distance, which follow each other.
    firsts : array of shape (R,)
        Index of the first of them.
    starts : array of shape (M,)
        First edge of each atom, ascending; each has one at least.
    neighbors, counts : arrays of shape (R,) and (R, 1)
        The atom at each edge's other end, and how many equal edges it stands for.
    ends : array of shape (P,)
        Where each piece ends among the atoms, ascending. No edge leads from one piece to another.

    Raises
    ------
    ValueError
        If shapes do not fit together, or an index is out of bounds.
    """

    def __cinit__(
        self,
        const float[:, ::1] gaussians,
        const int64_t[::1] firsts,
        const int64_t[::1] starts,
        const int64_t[::1] neighbors,
        const float[:, ::1] counts,
        const int64_t[::1] ends,
    ):
        cdef int64_t atoms = starts.shape[0], edges = gaussians.shape[0], edge = 0, first = 0, atom, piece, stop
        check_shapes(firsts.shape[0] == neighbors.shape[0] == counts.shape[0] == edges)
        check_shapes(gaussians.shape[1] == WINDOW and counts.shape[1] == 1)
        self.highest = -1
        for piece in range(ends.shape[0]):
            check_shapes(first < ends[piece] <= atoms)
            for atom in range(first, ends[piece]):
                stop = starts[atom + 1] if atom + 1 < atoms else edges
                check_shapes(starts[atom] == edge < stop <= edges)
                while edge < stop:
                    check_shapes(first <= neighbors[edge] < ends[piece] and firsts[edge] >= 0)
                    self.highest = max(self.highest, firsts[edge])
                    edge += 1
            first = ends[piece]
        check_shapes(first == atoms and edge == edges)
        self.gaussians, self.counts, self.firsts = gaussians, counts, firsts
        self.starts, self.neighbors, self.ends = starts, neighbors, ends

    def __len__(self):
        return self.ends.shape[0]

    cdef int64_t from_atom(self, Py_ssize_t piece) except -1:
        if not 0 <= piece < self.ends.shape[0]:
            raise IndexError(f"there is no piece {piece}")
        return self.ends[piece - 1] if piece > 0 else 0

    cdef int64_t end_of_edges(self, Py_ssize_t piece) noexcept:
        cdef int64_t atom = self.ends[piece]
        return self.starts[atom] if atom < self.starts.shape[0] else self.gaussians.shape[0]

    def gated_sum(
        self,
        Py_ssize_t piece,
        const float[:, ::1] weight,
        const float[:, ::1] center,
        const float[:, ::1] neighbor,
        float[:, ::1] out,
        float[:, :, ::1] kept=None,
    ):
        """Sum sigmoid(gate) softplus(core) over the edges of each atom of a piece.

        Parameters
        ----------
        piece : int
        weight : array of shape (Gaussians, 2 width)
            What each Gaussian adds to the gate and to the core.
        center, neighbor : arrays of shape (M, 2 width)
            What an atom adds to both, at either end.
        out : array of shape (M, width)
            Written to.
        kept : array of shape (2, R, width), optional
            Written to: the two factors for each edge, for the gradient.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t first = self.from_atom(piece), until = self.ends[piece], end = self.end_of_edges(piece)
        cdef int64_t width = out.shape[1]
        check_arrays(self, weight, center, neighbor, out, kept)
        if width == 0:
            return
        with nogil:
            sum_gated(
                &out[0, 0], factor(kept, 0), factor(kept, 1), &weight[0, 0], &center[0, 0], &neighbor[0, 0],
                &self.gaussians[0, 0], &self.firsts[0], &self.starts[0], &self.neighbors[0], &self.counts[0, 0], first,
                until, end, width,
            )

    def gradients(
        self,
        Py_ssize_t piece,
        const float[:, ::1] weight,
        const float[:, ::1] center,
        const float[:, ::1] neighbor,
        const float[:, ::1] gradient,
        float[:, ::1] to_weight,
        float[:, ::1] to_center,
        float[:, ::1] to_neighbor,
        float[:, :, ::1] kept=None,
    ):
        """Compute the gradients of a piece's sums with respect to what `gated_sum` was given.

        Parameters
        ----------
        piece : int
        weight, center, neighbor : arrays
            Of `gated_sum`.
        gradient : array of shape (M, width)
        to_weight : array of shape (Gaussians, 2 width)
            Added to.
        to_center, to_neighbor : arrays of shape (M, 2 width)
            Written to.
        kept : array of shape (2, R, width), optional
            As `gated_sum` wrote them. Without them the factors are computed again, which is faster for many edges:
            new memory costs more than the factors.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t first = self.from_atom(piece), until = self.ends[piece], end = self.end_of_edges(piece)
        cdef int64_t width = gradient.shape[1]
        check_arrays(self, weight, center, neighbor, gradient, kept)
        check_arrays(self, to_weight, to_center, to_neighbor, gradient, kept)
        if width == 0:
            return
        with nogil:
            sum_gated_gradient(
                &to_weight[0, 0], &to_center[0, 0], &to_neighbor[0, 0], &gradient[0, 0], factor(kept, 0),
                factor(kept, 1), &weight[0, 0], &center[0, 0], &neighbor[0, 0], &self.gaussians[0, 0], &self.firsts[0],
                &self.starts[0], &self.neighbors[0], &self.counts[0, 0], first, until, end, width,
            )

    def sum_neighbors(self, Py_ssize_t piece, const float[:, ::1] values, float[:, ::1] out, bint transposed=False):
        """Sum the values of each atom's neighbours, for the atoms of a piece.

        Parameters
        ----------
        piece : int
        values : array of shape (M, n)
        out : array of shape (M, n)
            Written to.
        transposed : bool
            Sum the values of the atoms whose neighbour an atom is instead.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t first = self.from_atom(piece), until = self.ends[piece], end = self.end_of_edges(piece)
        cdef int64_t width = values.shape[1]
        check_shapes(values.shape[0] == out.shape[0] == self.starts.shape[0] and out.shape[1] == width)
        if width == 0:
            return
        with nogil:
            sum_neighbor_values(
                &out[0, 0], &values[0, 0], &self.starts[0], &self.neighbors[0], &self.counts[0, 0], first, until, end,
                width, transposed,
            )
