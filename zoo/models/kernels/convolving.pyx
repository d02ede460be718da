# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""All convolutions of a network, the means over each crystal's atoms, and their gradients, compiled.

With fixed statistics the crystals of a batch are independent. So each piece of a batch passes through all convolutions
alone, in a thread of its own that does not need the interpreter. The normalisations are folded into the linear maps.
"""

from libc.string cimport memcpy, memset

import numpy as np

from zoo.models.kernels.shapes cimport check_shapes
from zoo.models.kernels.gating cimport WINDOW, Edges, int64_t, sum_gated, sum_gated_gradient
from zoo.models.kernels.normalizing cimport Normalization, add_sums, softplus_sum_gradient, softplus_sum


cdef class Layers:
    """The convolutions of a network, each of `width` features, with the normalisations folded into the linear maps.

    Parameters
    ----------
    layers : sequence of tuples
        For each convolution: weights of shape (2 width, 2 width + G), from an atom, its neighbour and the distance
        between them to gate and core; their biases; the Normalization of these, and that of an atom's sums.

    Raises
    ------
    ValueError
        If shapes do not fit together.
    """

    cdef int64_t count, width, gaussians
    cdef list weights, biases, outer  # as they were given
    cdef float[:, :, :, ::1] maps  # from centre and neighbour, (L, 2, 2 width, width)
    cdef float[:, :, :, ::1] transposed  # (L, 2, width, 2 width)
    cdef float[:, :, ::1] of_gaussian  # (L, max(G, WINDOW), 2 width)
    cdef float[:, ::1] shifts  # (L, 2 width)
    cdef float[:, :, ::1] inner  # rows of the normalisations of sums

    def __cinit__(self, layers):
        cdef int64_t layer
        self.count = len(layers)
        check_shapes(self.count > 0)
        self.weights, self.biases, self.outer = ([each[i] for each in layers] for i in range(3))
        self.width = len(self.weights[0]) // 2
        self.gaussians = self.weights[0].shape[1] - 2 * self.width
        check_shapes(self.width > 0 and self.gaussians > 0)
        self.maps = np.empty((self.count, 2, 2 * self.width, self.width), dtype=np.float32)
        self.transposed = np.empty((self.count, 2, self.width, 2 * self.width), dtype=np.float32)
        self.of_gaussian = np.zeros((self.count, max(self.gaussians, WINDOW), 2 * self.width), dtype=np.float32)
        self.shifts = np.empty((self.count, 2 * self.width), dtype=np.float32)
        self.inner = np.empty((self.count, 4, self.width), dtype=np.float32)
        for layer, (weight, bias, outer, inner) in enumerate(layers):
            self.fold(layer, weight, bias, outer, inner)

    cdef int fold(
        self, int64_t layer, const float[:, ::1] weight, const float[::1] bias, Normalization outer, Normalization inner
    ) except -1:
        """Fold a normalisation into the linear map before it."""
        cdef int64_t width = self.width, row, i, end
        check_shapes(outer is not None and inner is not None)
        cdef float[:, ::1] rows = outer.rows
        check_shapes(weight.shape[0] == bias.shape[0] == outer.width == 2 * width and inner.width == width)
        check_shapes(weight.shape[1] == 2 * width + self.gaussians)
        self.inner[layer] = inner.rows
        with nogil:
            for row in range(2 * width):
                self.shifts[layer, row] = rows[2, row] * bias[row] + rows[3, row]
                for end in range(2):
                    for i in range(width):
                        self.maps[layer, end, row, i] = rows[2, row] * weight[row, end * width + i]
            for end in range(2):
                transpose(
                    &self.transposed[layer, end, 0, 0], &weight[0, end * width], weight.shape[1], &rows[2, 0],
                    2 * width, width,
                )
            transpose(
                &self.of_gaussian[layer, 0, 0], &weight[0, 2 * width], weight.shape[1], &rows[2, 0], 2 * width,
                self.gaussians,
            )
        return 0


cdef class Convolutions:
    """The convolutions of a network applied to a batch.

    Parameters
    ----------
    layers : Layers
    edges : Edges
        Of the batch, in pieces of whole crystals.
    sizes : array of shape (B,)
        Atoms of each crystal.
    copies : array of shape (M, 1)
        Weight of each atom in its crystal's mean.
    atoms : array of shape (M, width)
        Input of the first convolution.
    traced : bool
        Keep what gradients need.
    large : bool
        Do not keep the factors of edges, but compute them again for the gradient: new memory costs more.

    Raises
    ------
    ValueError
        If shapes do not fit together.
    """

    cdef Layers layers
    cdef Edges edges
    cdef bint traced
    cdef float[::1] shares
    cdef int64_t[::1] atom_ends, crystal_ends  # of crystals and of pieces, with a zero before them
    cdef unsigned char[::1] done  # pieces
    cdef float[:, :, ::1] atoms, messages
    cdef float[:, :, :, ::1] ends, kept

    def __cinit__(
        self,
        Layers layers not None,
        Edges edges not None,
        const int64_t[::1] sizes not None,
        const float[:, ::1] copies not None,
        const float[:, ::1] atoms not None,
        bint traced,
        bint large,
    ):
        cdef int64_t rows = atoms.shape[0], width = layers.width, slots
        self.layers, self.edges, self.traced = layers, edges, traced
        check_shapes(atoms.shape[1] == width and edges.highest <= layers.of_gaussian.shape[1] - WINDOW)
        check_shapes(rows == copies.shape[0] == edges.starts.shape[0] and copies.shape[1] == 1)
        self.divide(sizes, copies)
        self.done = np.zeros(edges.ends.shape[0], dtype=np.uint8)
        slots = layers.count if traced else 1
        self.atoms = np.empty((layers.count + 1, rows, width), dtype=np.float32)
        self.atoms[0] = atoms
        self.messages = np.empty((slots, rows, width), dtype=np.float32)
        self.ends = np.empty((slots, 2, rows, 2 * width), dtype=np.float32)
        self.kept = None
        if traced and not large:
            self.kept = np.empty((layers.count, 2, edges.gaussians.shape[0], width), dtype=np.float32)

    cdef int divide(self, const int64_t[::1] sizes, const float[:, ::1] copies) except -1:
        """Find the ends of crystals and pieces, and the share of each atom in its crystal's mean."""
        cdef int64_t crystals = sizes.shape[0], pieces = self.edges.ends.shape[0], crystal, atom, piece = 0
        cdef int64_t first = 0, end
        cdef double total
        self.shares = np.empty(copies.shape[0], dtype=np.float32)
        self.atom_ends = np.zeros(crystals + 1, dtype=np.int64)
        self.crystal_ends = np.zeros(pieces + 1, dtype=np.int64)
        for crystal in range(crystals):
            end = first + sizes[crystal]
            check_shapes(first < end <= copies.shape[0] and piece < pieces)
            self.atom_ends[crystal + 1] = end
            total = 0
            for atom in range(first, end):
                total += copies[atom, 0]
            for atom in range(first, end):
                self.shares[atom] = <float>(copies[atom, 0] / total)
            first = end
            check_shapes(end <= self.edges.ends[piece])
            if end == self.edges.ends[piece]:
                piece += 1
                self.crystal_ends[piece] = crystal + 1
        return check_shapes(piece == pieces and first == copies.shape[0])

    cdef float *factor(self, int64_t layer, int64_t which) noexcept nogil:
        """Return where the first or the second factor of each edge is kept; NULL if they are not."""
        return NULL if self.kept is None else &self.kept[layer, which, 0, 0]

    def run(self, Py_ssize_t piece, float[:, ::1] out):
        """Pass the crystals of a piece through all convolutions.

        Parameters
        ----------
        piece : int
        out : array of shape (B, width × (convolutions + 1))
            Written to: means over each crystal's atoms, before the first convolution and after each.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef Edges edges = self.edges
        cdef Layers of = self.layers
        cdef int64_t first = edges.from_atom(piece), until = edges.ends[piece], end = edges.end_of_edges(piece)
        cdef int64_t count = of.count, width = of.width, rows = until - first, layer, slot, side, atom
        check_shapes(out.shape[0] == self.atom_ends.shape[0] - 1 and out.shape[1] == width * (count + 1))
        with nogil:
            for layer in range(count):
                slot = layer if self.traced else 0
                for atom in range(first, until):
                    memcpy(&self.ends[slot, 0, atom, 0], &of.shifts[layer, 0], 2 * width * sizeof(float))
                for side in range(2):
                    product(
                        &self.ends[slot, side, first, 0], 2 * width, &self.atoms[layer, first, 0], width, 1,
                        &of.transposed[layer, side, 0, 0], 2 * width, rows, 2 * width, width, side == 0,
                    )
                sum_gated(
                    &self.messages[slot, 0, 0], self.factor(layer, 0), self.factor(layer, 1),
                    &of.of_gaussian[layer, 0, 0], &self.ends[slot, 0, 0, 0], &self.ends[slot, 1, 0, 0],
                    &edges.gaussians[0, 0], &edges.firsts[0], &edges.starts[0], &edges.neighbors[0],
                    &edges.counts[0, 0], first, until, end, width,
                )
                softplus_sum(
                    &self.atoms[layer + 1, first, 0], &self.atoms[layer, first, 0], &self.messages[slot, first, 0],
                    &of.inner[layer, 2, 0], &of.inner[layer, 3, 0], rows, width,
                )
            for layer in range(count + 1):
                pool(
                    &out[0, layer * width], out.shape[1], &self.atoms[layer, 0, 0], &self.shares[0],
                    &self.atom_ends[0], self.crystal_ends[piece], self.crystal_ends[piece + 1], width,
                )
        self.done[piece] = True


cdef class Gradients:
    """Gradients of the crystals' means; pieces may be run in different threads.

    Parameters
    ----------
    convolutions : Convolutions
        Traced ones that were run.
    gradient : array of shape (B, width × (convolutions + 1))
        Gradient of what they wrote.

    Raises
    ------
    ValueError
        If shapes do not fit together, or the convolutions were not traced.
    """

    cdef Convolutions of
    cdef const float[:, ::1] gradient
    cdef unsigned char[::1] done  # pieces
    cdef bint merged
    cdef float[:, :, ::1] to_atoms, to_ends
    cdef float[:, ::1] to_messages
    # By piece and layer:
    cdef float[:, :, :, :, ::1] to_maps
    cdef float[:, :, :, ::1] to_gaussian, to_inner
    cdef float[:, :, ::1] to_shifts

    def __cinit__(self, Convolutions convolutions not None, const float[:, ::1] gradient not None):
        cdef Layers layers = convolutions.layers
        cdef int64_t count = layers.count, width = layers.width
        cdef int64_t rows = convolutions.shares.shape[0], pieces = convolutions.edges.ends.shape[0]
        check_shapes(convolutions.traced and gradient.shape[0] == convolutions.atom_ends.shape[0] - 1)
        check_shapes(gradient.shape[1] == width * (count + 1))
        self.of, self.gradient, self.merged = convolutions, gradient, False
        self.done = np.zeros(pieces, dtype=np.uint8)
        self.to_atoms = np.empty((2, rows, width), dtype=np.float32)
        self.to_messages = np.empty((rows, width), dtype=np.float32)
        self.to_ends = np.empty((2, rows, 2 * width), dtype=np.float32)
        self.to_maps = np.empty((pieces, count, 2, 2 * width, width), dtype=np.float32)
        self.to_gaussian = np.zeros((pieces, count, layers.of_gaussian.shape[1], 2 * width), dtype=np.float32)
        self.to_inner = np.zeros((pieces, count, 2, width), dtype=np.float32)
        self.to_shifts = np.zeros((pieces, count, 2 * width), dtype=np.float32)

    def run(self, Py_ssize_t piece):
        """Compute the gradients of a piece, from the last convolution to the first.

        Raises
        ------
        ValueError
            If the piece has not been run forwards, or has been run backwards.
        """
        cdef Convolutions of = self.of
        cdef Layers layers = of.layers
        cdef Edges edges = of.edges
        cdef int64_t first = edges.from_atom(piece), until = edges.ends[piece], end = edges.end_of_edges(piece)
        cdef int64_t count = layers.count, width = layers.width, rows = until - first, layer, side
        cdef float *up
        cdef float *down
        if self.done[piece] or not of.done[piece]:
            raise ValueError(f"piece {piece} was not run forwards, or was run backwards before")
        self.done[piece] = True
        with nogil:
            memset(&self.to_atoms[count % 2, first, 0], 0, rows * width * sizeof(float))
            self.add_pooling_gradient(piece, count)
            for layer in range(count - 1, -1, -1):
                up, down = &self.to_atoms[(layer + 1) % 2, first, 0], &self.to_atoms[layer % 2, first, 0]
                softplus_sum_gradient(
                    down, &self.to_messages[first, 0], up, &of.atoms[layer + 1, first, 0], &layers.inner[layer, 2, 0],
                    rows, width,
                )
                add_sums(
                    &self.to_inner[piece, layer, 1, 0], &self.to_inner[piece, layer, 0, 0], down,
                    &of.messages[layer, first, 0], &layers.inner[layer, 0, 0], rows, width,
                )
                sum_gated_gradient(
                    &self.to_gaussian[piece, layer, 0, 0], &self.to_ends[0, 0, 0], &self.to_ends[1, 0, 0],
                    &self.to_messages[0, 0], of.factor(layer, 0), of.factor(layer, 1), &layers.of_gaussian[layer, 0, 0],
                    &of.ends[layer, 0, 0, 0], &of.ends[layer, 1, 0, 0], &edges.gaussians[0, 0], &edges.firsts[0],
                    &edges.starts[0], &edges.neighbors[0], &edges.counts[0, 0], first, until, end, width,
                )
                add_sums(
                    &self.to_shifts[piece, layer, 0], NULL, &self.to_ends[0, first, 0], NULL, NULL, rows, 2 * width
                )
                for side in range(2):
                    product(
                        &self.to_maps[piece, layer, side, 0, 0], width, &self.to_ends[side, first, 0], 1, 2 * width,
                        &of.atoms[layer, first, 0], width, 2 * width, width, rows, False,
                    )
                    product(
                        down, width, &self.to_ends[side, first, 0], 2 * width, 1, &layers.maps[layer, side, 0, 0],
                        width, rows, width, 2 * width, True,
                    )
                self.add_pooling_gradient(piece, layer)

    cdef void add_pooling_gradient(self, int64_t piece, int64_t layer) noexcept nogil:
        """Add the gradient that comes from the means after `layer` convolutions."""
        pool_gradient(
            &self.to_atoms[layer % 2, 0, 0], &self.gradient[0, layer * self.of.layers.width], self.gradient.shape[1],
            &self.of.shares[0], &self.of.atom_ends[0], self.of.crystal_ends[piece], self.of.crystal_ends[piece + 1],
            self.of.layers.width,
        )

    def atoms(self):
        """Return the gradient of the input of the first convolution; shape (M, width)."""
        return np.asarray(self.to_atoms[0])

    cdef int merge(self) except -1:
        """Add up the gradients of all pieces."""
        cdef Py_ssize_t piece
        if not np.all(self.done):
            raise ValueError("there are pieces that were not run")
        if self.merged:
            return 0
        for piece in range(1, self.done.shape[0]):
            self.add_piece(&self.to_maps[0, 0, 0, 0, 0], piece, self.to_maps.strides[0])
            self.add_piece(&self.to_gaussian[0, 0, 0, 0], piece, self.to_gaussian.strides[0])
            self.add_piece(&self.to_inner[0, 0, 0, 0], piece, self.to_inner.strides[0])
            self.add_piece(&self.to_shifts[0, 0, 0], piece, self.to_shifts.strides[0])
        self.merged = True
        return 0

    cdef void add_piece(self, float *of_first, Py_ssize_t piece, Py_ssize_t bytes_of_each) noexcept nogil:
        """Add the gradients of a piece, which begin `piece × bytes_of_each` bytes later, to those of the first."""
        cdef Py_ssize_t size = bytes_of_each // <Py_ssize_t>sizeof(float)
        add_array(of_first, of_first + piece * size, size)

    def layer(self, int64_t layer):
        """Return the gradients of a convolution's parameters and of those of its normalisations, after all pieces.

        Returns
        -------
        to_weight : array of shape (2 width, 2 width + G)
        to_bias, to_outer_gain, to_outer_bias : arrays of shape (2 width,)
        to_inner_gain, to_inner_bias : arrays of shape (width,)

        Raises
        ------
        IndexError
            If there is no such convolution.
        ValueError
            If there are pieces that were not run.
        """
        cdef Layers of = self.of.layers
        if not 0 <= layer < of.count:
            raise IndexError(f"there is no convolution {layer}")
        self.merge()
        cdef int64_t width = of.width, row, side, i
        cdef const float[:, ::1] weight = of.weights[layer]
        cdef const float[::1] bias = of.biases[layer]
        cdef Normalization outer = of.outer[layer]
        check_shapes(weight.shape[0] == bias.shape[0] == 2 * width and weight.shape[1] == 2 * width + of.gaussians)
        cdef float[:, ::1] to_weight = np.empty((2 * width, 2 * width + of.gaussians), dtype=np.float32)
        cdef float[:, ::1] to_ends = np.empty((3, 2 * width), dtype=np.float32)
        cdef float[:, ::1] to_inner = np.empty((2, width), dtype=np.float32)
        cdef float[:, ::1] rows = outer.rows
        cdef float to_shift
        cdef double to_scale
        with nogil:
            for row in range(2 * width):
                to_shift = self.to_shifts[0, layer, row]
                to_scale = to_shift * (bias[row] - rows[0, row])
                for side in range(2):
                    to_scale += scale_row(
                        &to_weight[row, side * width], &self.to_maps[0, layer, side, row, 0], 1,
                        &weight[row, side * width], rows[2, row], width,
                    )
                to_scale += scale_row(
                    &to_weight[row, 2 * width], &self.to_gaussian[0, layer, 0, row], 2 * width,
                    &weight[row, 2 * width], rows[2, row], of.gaussians,
                )
                to_ends[0, row] = to_shift * rows[2, row]
                to_ends[1, row] = <float>to_scale * rows[1, row]
                to_ends[2, row] = to_shift
            for i in range(width):
                to_inner[0, i] = self.to_inner[0, layer, 0, i] * of.inner[layer, 1, i]
                to_inner[1, i] = self.to_inner[0, layer, 1, i]
        return np.asarray(to_weight), *np.asarray(to_ends), *np.asarray(to_inner)
