# cython: language_level=3
"""The loops of normalisations, and what they normalise by."""

cdef extern from "normalizing.h":
    ctypedef signed long long int64_t
    void scale_ends(
        float *, float *, const float *, const float *, const float *, const float *, int64_t, int64_t
    ) nogil
    void add_up(float *, float *, const float *, const float *, const float *, int64_t, int64_t) nogil
    void multiply(float *, const float *, int64_t, int64_t) nogil
    void soften(
        float *, const float *, const float *, const float *, const float *, int64_t, int64_t
    ) nogil
    void harden(float *, float *, const float *, const float *, const float *, int64_t, int64_t) nogil


cdef class Normalization:
    cdef float[:, ::1] rows  # mean, 1 / √(variance + ε), scale, shift
    cdef int64_t width
