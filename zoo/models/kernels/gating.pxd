# cython: language_level=3
"""The loops of the gated sums, and the edges that they run over."""

cdef extern from "gating.h":
    ctypedef signed long long int64_t
    enum: WINDOW
    void expand_distances(float *, int64_t *, const float *, float, float, int64_t) nogil
    void sum_gated(
        float *, float *, float *, const float *, const float *, const float *, const float *, const int64_t *,
        const int64_t *, const int64_t *, const float *, int64_t, int64_t, int64_t, int64_t
    ) nogil
    void sum_gated_gradient(
        float *, float *, float *, const float *, const float *, const float *, const float *, const float *,
        const float *, const float *, const int64_t *, const int64_t *, const int64_t *, const float *, int64_t,
        int64_t, int64_t, int64_t
    ) nogil
    void sum_neighbor_values(
        float *, const float *, const int64_t *, const int64_t *, const float *, int64_t, int64_t, int64_t, int64_t, int
    ) nogil


cdef class Edges:
    cdef const float[:, ::1] gaussians
    cdef const float[:, ::1] counts
    cdef const int64_t[::1] firsts
    cdef const int64_t[::1] starts
    cdef const int64_t[::1] neighbors
    cdef const int64_t[::1] ends
    cdef int64_t highest

    cdef int64_t from_atom(self, Py_ssize_t piece) except -1
    cdef int64_t end_of_edges(self, Py_ssize_t piece) noexcept
