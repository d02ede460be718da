# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The gated edge updates of a graph network, and their gradients, compiled: one pass over the edges.

For an edge from neighbour j to centre i, with z the sum of a term of the centre, one of the neighbour and one of the
edge: its features grow by z σ(z), and the centre's sums by w σ(z) ⊙ v_j for each group of the neighbour's values, and
by w σ(z).
"""

from zoo.models.kernels.shapes cimport check_shapes

cdef extern from "updating.h":
    ctypedef signed long long int64_t
    void update_edges(
        float *, float *, const float *, const float *, const float *, const float *, const int64_t *, const int64_t *,
        const float *, int64_t, int64_t, int64_t, int64_t
    ) nogil
    void update_edges_gradient(
        float *, float *, float *, const float *, const float *, const float *, const float *, const float *,
        const int64_t *, const int64_t *, const float *, int64_t, int64_t, int64_t, int64_t
    ) nogil


cdef class Graph:
    """The edges of a batch, in the order of the atoms that they belong to.

    Parameters
    ----------
    starts : array of shape (M + 1,), int64
        First edge of each atom, and the number of edges.
    neighbors : array of shape (R,), int64
        The atom at each edge's other end.
    weights : array of shape (R,), float32
    ends : array of shape (P,), int64
        Where each piece ends among the atoms, ascending. No edge leads from one piece to another; threads may work on
        different pieces.

    Raises
    ------
    ValueError
        If shapes do not fit together, or an index is out of bounds.
    """

    cdef const int64_t[::1] starts, neighbors, ends
    cdef const float[::1] weights

    def __cinit__(
        self,
        const int64_t[::1] starts not None,
        const int64_t[::1] neighbors not None,
        const float[::1] weights not None,
        const int64_t[::1] ends not None,
    ):
        cdef int64_t atoms = starts.shape[0] - 1, edges = neighbors.shape[0], pieces = ends.shape[0]
        cdef int64_t piece, atom, edge, first = 0
        cdef bint fits = atoms > 0 and pieces > 0 and weights.shape[0] == edges
        check_shapes(fits and starts[0] == 0 and starts[atoms] == edges and ends[pieces - 1] == atoms)
        for piece in range(pieces):
            check_shapes(first <= ends[piece] <= atoms)
            for atom in range(first, ends[piece]):
                check_shapes(0 <= starts[atom] <= starts[atom + 1] <= edges)
                for edge in range(starts[atom], starts[atom + 1]):
                    check_shapes(first <= neighbors[edge] < ends[piece])
            first = ends[piece]
        self.starts, self.neighbors, self.weights, self.ends = starts, neighbors, weights, ends

    @property
    def pieces(self):
        """Number of pieces."""
        return self.ends.shape[0]

    cdef int check(
        self,
        const float[:, ::1] centers,
        const float[:, ::1] neighbors,
        const float[:, ::1] of_edges,
        const float[:, ::1] edges,
        const float[:, ::1] totals,
    ) except -1:
        """Check the shapes of arrays by atom, by edge and by atom again."""
        cdef int64_t atoms = self.starts.shape[0] - 1, width = centers.shape[1]
        check_shapes(centers.shape[0] == neighbors.shape[0] == totals.shape[0] == atoms)
        check_shapes(of_edges.shape[0] == self.neighbors.shape[0] and of_edges.shape[1] == width > 0)
        check_shapes(edges is None or (edges.shape[0] == of_edges.shape[0] and edges.shape[1] == width))
        return check_shapes(neighbors.shape[1] == totals.shape[1] >= 2 * width and neighbors.shape[1] % width == 0)

    def update(
        self,
        Py_ssize_t piece,
        float[:, ::1] out not None,
        float[:, ::1] totals not None,
        const float[:, ::1] centers not None,
        const float[:, ::1] neighbors not None,
        const float[:, ::1] of_edges not None,
        const float[:, ::1] edges not None,
    ):
        """Write the new features of a piece's edges and the sums of its atoms.

        Parameters
        ----------
        piece : int
        out : array of shape (R, F)
        totals : array of shape (M, (G + 1) F)
            For G groups of values, and for the gates.
        centers : array of shape (M, F)
        neighbors : array of shape (M, (G + 1) F)
            The neighbours' terms, and their values.
        of_edges, edges : arrays of shape (R, F)
            The edges' terms, and their features.
        """
        cdef int64_t width = centers.shape[1], groups = neighbors.shape[1] // max(width, 1) - 1
        check_shapes(0 <= piece < self.ends.shape[0])
        self.check(centers, neighbors, of_edges, edges, totals)
        self.check(centers, neighbors, of_edges, out, totals)
        cdef int64_t start = self.ends[piece - 1] if piece else 0, end = self.ends[piece]
        if start == end or not self.neighbors.shape[0]:
            return
        with nogil:
            update_edges(
                &out[0, 0], &totals[0, 0], &centers[0, 0], &neighbors[0, 0], &of_edges[0, 0], &edges[0, 0],
                &self.starts[0], &self.neighbors[0], &self.weights[0], start, end, width, groups,
            )

    def gradient(
        self,
        Py_ssize_t piece,
        float[:, ::1] to_of_edges not None,
        float[:, ::1] to_centers not None,
        float[:, ::1] to_neighbors not None,
        const float[:, ::1] centers not None,
        const float[:, ::1] neighbors not None,
        const float[:, ::1] of_edges not None,
        const float[:, ::1] to_out,
        const float[:, ::1] to_totals not None,
    ):
        """Write a piece's gradients with respect to the three terms and the values.

        `to_out` and `to_totals` are those with respect to the results of :meth:`update`; `to_out` is None if the new
        features are not used.
        """
        cdef int64_t width = centers.shape[1], groups = neighbors.shape[1] // max(width, 1) - 1
        check_shapes(0 <= piece < self.ends.shape[0])
        self.check(centers, neighbors, of_edges, to_of_edges, to_totals)
        self.check(to_centers, to_neighbors, of_edges, to_out, to_totals)
        cdef int64_t start = self.ends[piece - 1] if piece else 0, end = self.ends[piece]
        if start == end or not self.neighbors.shape[0]:
            return
        cdef const float *given = NULL if to_out is None else &to_out[0, 0]
        with nogil:
            update_edges_gradient(
                &to_of_edges[0, 0], &to_centers[0, 0], &to_neighbors[0, 0], &centers[0, 0], &neighbors[0, 0],
                &of_edges[0, 0], given, &to_totals[0, 0], &self.starts[0], &self.neighbors[0], &self.weights[0], start,
                end, width, groups,
            )
