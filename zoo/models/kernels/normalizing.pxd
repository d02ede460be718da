# cython: language_level=3
"""The loops of normalisations, and what they normalise by."""

cdef extern from "normalizing.h":
    ctypedef signed long long int64_t
    void normalize_ends(
        float *, float *, const float *, const float *, const float *, const float *, int64_t, int64_t
    ) nogil
    void add_sums(float *, float *, const float *, const float *, const float *, int64_t, int64_t) nogil
    void scale_rows(float *, const float *, int64_t, int64_t) nogil
    void softplus_sum(
        float *, const float *, const float *, const float *, const float *, int64_t, int64_t
    ) nogil
    void softplus_sum_gradient(float *, float *, const float *, const float *, const float *, int64_t, int64_t) nogil


cdef class Normalization:
    cdef float[:, ::1] rows  # mean, 1 / √(variance + ε), scale, shift
    cdef int64_t width
