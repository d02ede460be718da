# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The gated sums of `zoo.models`, and their gradients, compiled: one pass over the edges, in vector instructions.

In NumPy or torch the same takes a dozen passes. Exponential and logarithm are polynomials here, good to the last digit
or two of single precision, so that the compiler can work on 4, 8 or 16 features at once: whatever the processor has.
"""

cdef extern from *:
    """
    #include <math.h>
    #include <stdint.h>
    #include <string.h>

    #define BLOCK 64  /* features at once */
    #define WINDOW 9  /* Gaussians at once */
    #define SUM_OF_WINDOW(column) \
        (g[0] * (column)[0] + g[1] * (column)[row] + g[2] * (column)[2 * row] + g[3] * (column)[3 * row] \
        + g[4] * (column)[4 * row] + g[5] * (column)[5 * row] + g[6] * (column)[6 * row] + g[7] * (column)[7 * row] \
        + g[8] * (column)[8 * row])

    #if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
    #define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2,fma", "default")))
    #else
    #define FOR_EACH_PROCESSOR
    #endif

    #if defined(__GNUC__) && !defined(__clang__)
    #define AS_VECTORS _Pragma("GCC ivdep")
    #else
    #define AS_VECTORS
    #endif

    #if defined(_MSC_VER)
    #define ALIAS_FREE __restrict
    #else
    #define ALIAS_FREE __restrict__
    #endif

    /* e^x for |x| <= 87, which single precision can hold. */
    static inline float exponential(float x)
    {
        union { float number; int32_t bits; } whole, power;
        float rest, nearest, square;
        whole.number = x * 1.44269504f + 12582912.0f;  /* 1.5 * 2^23: the nearest whole number is in the last bits */
        nearest = whole.number - 12582912.0f;
        rest = x - nearest * 0.693359375f + nearest * 2.12194440e-4f;  /* log 2 in two parts; |rest| <= log(2) / 2 */
        power.bits = (int32_t)(((uint32_t)whole.bits << 23) + 0x3F800000u);
        square = rest * rest;  /* in pairs, so that one product need not wait for another */
        return power.number
            * ((1.0f + rest) + square * ((1.0f / 2 + rest * (1.0f / 6))
            + square * ((1.0f / 24 + rest * (1.0f / 120)) + square * (1.0f / 720))));
    }

    /* log(1 + u) for 0 <= u <= 1: u times the interpolation of log(1 + u) / u in nine Chebyshev points. */
    static inline float logarithm(float u)
    {
        float square = u * u, fourth = square * square;
        return u * (((0.99999994f + u * -0.499994457f) + square * (0.333181202f + u * -0.248353988f))
            + fourth * (((0.190768808f + u * -0.136022478f) + square * (0.0775160864f + u * -0.0290740654f))
            + fourth * 0.0051261019f));
    }

    FOR_EACH_PROCESSOR static void sum_gated(
        float *ALIAS_FREE out, float *gates, float *cores, const float *weight, const float *center,
        const float *neighbor, const float *window, const int64_t *firsts, const int64_t *starts,
        const int64_t *neighbors, const float *counts, int64_t from, int64_t until, int64_t end, int64_t width)
    {
        float steep[BLOCK], bent[BLOCK], straight[BLOCK], open[BLOCK], soft[BLOCK];
        int64_t row = 2 * width;
        for (int64_t atom = from; atom < until; atom++) {
            const float *mine = center + atom * row;
            float *sum = out + atom * width;
            int64_t stop = atom + 1 < until ? starts[atom + 1] : end;
            for (int64_t i = 0; i < width; i++)
                sum[i] = 0.0f;
            for (int64_t edge = starts[atom]; edge < stop; edge++) {
                const float *its = neighbor + neighbors[edge] * row, *g = window + edge * WINDOW;
                float count = counts[edge];
                for (int64_t first = 0; first < width; first += BLOCK) {
                    int64_t size = width - first < BLOCK ? width - first : BLOCK;
                    const float *bond = weight + firsts[edge] * row + first;
                    /* Comparisons in loops of their own: else the compiler divides once for each of their outcomes.
                       What is no number is neither larger nor smaller than anything, and stays none. */
                    for (int64_t i = 0; i < size; i++) {
                        float x = -(mine[first + i] + its[first + i] + SUM_OF_WINDOW(bond + i));
                        x = x < -87.0f ? -87.0f : x;
                        steep[i] = x > 87.0f ? 87.0f : x;
                    }
                    for (int64_t i = 0; i < size; i++) {
                        float x = mine[width + first + i] + its[width + first + i] + SUM_OF_WINDOW(bond + width + i);
                        float falling = -fabsf(x);
                        bent[i] = falling < -87.0f ? -87.0f : falling;
                        straight[i] = x < 0.0f ? 0.0f : x;
                    }
                    for (int64_t i = 0; i < size; i++) {
                        soft[i] = straight[i] + logarithm(exponential(bent[i]));
                        open[i] = 1.0f / (1.0f + exponential(steep[i]));
                        sum[first + i] += count * soft[i] * open[i];
                    }
                    if (gates != NULL) {
                        memcpy(gates + edge * width + first, open, size * sizeof(float));
                        memcpy(cores + edge * width + first, soft, size * sizeof(float));
                    }
                }
            }
        }
    }

    FOR_EACH_PROCESSOR static void trace_gated(
        float *to_weight, float *to_center, float *to_neighbor, const float *gradient, const float *gates,
        const float *cores, const float *window, const int64_t *firsts, const int64_t *starts,
        const int64_t *neighbors, const float *counts, int64_t from, int64_t until, int64_t end, int64_t width)
    {
        float bent[BLOCK], of_gate[BLOCK], of_core[BLOCK];
        int64_t row = 2 * width;
        for (int64_t i = from * row; i < until * row; i++)
            to_center[i] = to_neighbor[i] = 0.0f;
        for (int64_t atom = from; atom < until; atom++) {
            const float *up = gradient + atom * width;
            int64_t stop = atom + 1 < until ? starts[atom + 1] : end;
            for (int64_t edge = starts[atom]; edge < stop; edge++) {
                const float *g = window + edge * WINDOW;
                float count = counts[edge];
                for (int64_t first = 0; first < width; first += BLOCK) {
                    int64_t size = width - first < BLOCK ? width - first : BLOCK;
                    const float *open = gates + edge * width + first, *soft = cores + edge * width + first;
                    float *mine = to_center + atom * row + first, *its = to_neighbor + neighbors[edge] * row + first;
                    float *bond = to_weight + firsts[edge] * row + first;
                    for (int64_t i = 0; i < size; i++)
                        bent[i] = soft[i] > 87.0f ? -87.0f : -soft[i];
                    for (int64_t i = 0; i < size; i++) {
                        float common = up[first + i] * count * open[i];
                        of_gate[i] = common * soft[i] * (1.0f - open[i]);
                        of_core[i] = common * (1.0f - exponential(bent[i]));
                    }
                    AS_VECTORS
                    for (int64_t i = 0; i < size; i++) {
                        mine[i] += of_gate[i];
                        mine[width + i] += of_core[i];
                    }
                    AS_VECTORS
                    for (int64_t i = 0; i < size; i++) {
                        its[i] += of_gate[i];
                        its[width + i] += of_core[i];
                    }
                    for (int64_t k = 0; k < WINDOW; k++, bond += row) {
                        float of_this = g[k];
                        AS_VECTORS
                        for (int64_t i = 0; i < size; i++) {
                            bond[i] += of_this * of_gate[i];
                            bond[width + i] += of_this * of_core[i];
                        }
                    }
                }
            }
        }
    }

    FOR_EACH_PROCESSOR static void sum_ends(
        float *out, const float *values, const int64_t *starts, const int64_t *neighbors, const float *counts,
        int64_t from, int64_t until, int64_t end, int64_t width, int to_neighbors)
    {
        for (int64_t i = from * width; i < until * width; i++)
            out[i] = 0.0f;
        for (int64_t atom = from; atom < until; atom++) {
            int64_t stop = atom + 1 < until ? starts[atom + 1] : end;
            for (int64_t edge = starts[atom]; edge < stop; edge++) {
                float count = counts[edge];
                float *sum = out + (to_neighbors ? neighbors[edge] : atom) * width;
                const float *value = values + (to_neighbors ? atom : neighbors[edge]) * width;
                AS_VECTORS
                for (int64_t i = 0; i < width; i++)
                    sum[i] += count * value[i];
            }
        }
    }
    """
    ctypedef signed long long int64_t
    enum: WINDOW
    void sum_gated(
        float *, float *, float *, const float *, const float *, const float *, const float *, const int64_t *,
        const int64_t *, const int64_t *, const float *, int64_t, int64_t, int64_t, int64_t
    ) nogil
    void trace_gated(
        float *, float *, float *, const float *, const float *, const float *, const float *, const int64_t *,
        const int64_t *, const int64_t *, const float *, int64_t, int64_t, int64_t, int64_t
    ) nogil
    void sum_ends(
        float *, const float *, const int64_t *, const int64_t *, const float *, int64_t, int64_t, int64_t, int64_t, int
    ) nogil

window = WINDOW
"""Neighbouring Gaussians that one distance is expanded into; the others are below e^-16."""


cdef inline int need(bint fits) except -1:
    """Refuse arrays that do not fit: nothing else would notice."""
    if not fits:
        raise ValueError("edges, atoms and weights do not fit together")
    return 0


cdef class Edges:
    """The edges of some atoms, in the order of the atoms that they belong to.

    Gate and core of an edge are what the atoms at both ends and the distance between them add up to, for each of
    `width` features. Sums are taken piece by piece: threads may work on different ones.

    Parameters
    ----------
    gaussians : array of shape (R, `window`)
        The largest Gaussians of each distance, which follow each other.
    firsts : array of shape (R,)
        Which Gaussian is the first of them.
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

    cdef const float[:, ::1] gaussians
    cdef const float[:, ::1] counts
    cdef const int64_t[::1] firsts
    cdef const int64_t[::1] starts
    cdef const int64_t[::1] neighbors
    cdef const int64_t[::1] ends
    cdef int64_t highest

    def __init__(
        self,
        const float[:, ::1] gaussians,
        const int64_t[::1] firsts,
        const int64_t[::1] starts,
        const int64_t[::1] neighbors,
        const float[:, ::1] counts,
        const int64_t[::1] ends,
    ):
        cdef int64_t atoms = starts.shape[0], edges = gaussians.shape[0], edge = 0, first = 0, atom, piece, stop
        need(firsts.shape[0] == neighbors.shape[0] == counts.shape[0] == edges)
        need(gaussians.shape[1] == WINDOW and counts.shape[1] == 1)
        self.highest = -1
        for piece in range(ends.shape[0]):
            need(first < ends[piece] <= atoms)
            for atom in range(first, ends[piece]):
                stop = starts[atom + 1] if atom + 1 < atoms else edges
                need(starts[atom] == edge < stop <= edges)
                while edge < stop:
                    need(first <= neighbors[edge] < ends[piece] and firsts[edge] >= 0)
                    self.highest = max(self.highest, firsts[edge])
                    edge += 1
            first = ends[piece]
        need(first == atoms and edge == edges)
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
            Written to: the two factors for each edge, which the gradient needs.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t first = self.from_atom(piece), until = self.ends[piece], end = self.end_of_edges(piece)
        cdef int64_t width = out.shape[1]
        cdef float *gates = NULL
        cdef float *cores = NULL
        need(weight.shape[1] == center.shape[1] == neighbor.shape[1] == 2 * width)
        need(center.shape[0] == neighbor.shape[0] == out.shape[0] == self.starts.shape[0])
        need(self.highest <= weight.shape[0] - WINDOW)
        if width == 0:
            return
        if kept is not None:
            need(kept.shape[0] == 2 and kept.shape[1] == self.gaussians.shape[0] and kept.shape[2] == width)
            gates, cores = &kept[0, 0, 0], &kept[1, 0, 0]
        with nogil:
            sum_gated(
                &out[0, 0], gates, cores, &weight[0, 0], &center[0, 0], &neighbor[0, 0], &self.gaussians[0, 0],
                &self.firsts[0], &self.starts[0], &self.neighbors[0], &self.counts[0, 0], first, until, end, width,
            )

    def gradients(
        self,
        Py_ssize_t piece,
        const float[:, ::1] gradient,
        const float[:, :, ::1] kept,
        float[:, ::1] to_weight,
        float[:, ::1] to_center,
        float[:, ::1] to_neighbor,
    ):
        """Lead the gradient of a piece's sums back to what they were made of.

        Parameters
        ----------
        piece : int
        gradient : array of shape (M, width)
        kept : array of shape (2, R, width)
            Of `gated_sum`.
        to_weight : array of shape (Gaussians, 2 width)
            Added to.
        to_center, to_neighbor : arrays of shape (M, 2 width)
            Written to.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t first = self.from_atom(piece), until = self.ends[piece], end = self.end_of_edges(piece)
        cdef int64_t width = gradient.shape[1]
        need(to_weight.shape[1] == to_center.shape[1] == to_neighbor.shape[1] == 2 * width)
        need(gradient.shape[0] == to_center.shape[0] == to_neighbor.shape[0] == self.starts.shape[0])
        need(kept.shape[0] == 2 and kept.shape[1] == self.gaussians.shape[0] and kept.shape[2] == width)
        need(self.highest <= to_weight.shape[0] - WINDOW)
        if width == 0:
            return
        with nogil:
            trace_gated(
                &to_weight[0, 0], &to_center[0, 0], &to_neighbor[0, 0], &gradient[0, 0], &kept[0, 0, 0],
                &kept[1, 0, 0], &self.gaussians[0, 0], &self.firsts[0], &self.starts[0], &self.neighbors[0],
                &self.counts[0, 0], first, until, end, width,
            )

    def sum_neighbors(self, Py_ssize_t piece, const float[:, ::1] values, float[:, ::1] out, bint turned=False):
        """Sum the values of each atom's neighbours, for the atoms of a piece.

        Parameters
        ----------
        piece : int
        values : array of shape (M, n)
        out : array of shape (M, n)
            Written to.
        turned : bool
            Sum the values of those whose neighbour an atom is, in place of its own neighbours'.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t first = self.from_atom(piece), until = self.ends[piece], end = self.end_of_edges(piece)
        cdef int64_t width = values.shape[1]
        need(values.shape[0] == out.shape[0] == self.starts.shape[0] and out.shape[1] == width)
        if width == 0:
            return
        with nogil:
            sum_ends(
                &out[0, 0], &values[0, 0], &self.starts[0], &self.neighbors[0], &self.counts[0, 0], first, until, end,
                width, turned,
            )
