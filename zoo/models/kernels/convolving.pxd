# cython: language_level=3
"""The loops of convolutions, beside those of gated sums and of normalisations."""

from zoo.models.kernels.gating cimport int64_t

cdef extern from "products.h":
    void product(
        float *, int64_t, const float *, int64_t, int64_t, const float *, int64_t, int64_t, int64_t, int64_t, int
    ) nogil

cdef extern from "folding.h":
    void transpose(float *, const float *, int64_t, const float *, int64_t, int64_t) nogil
    double scale_row(float *, const float *, int64_t, const float *, float, int64_t) nogil
    void add_array(float *, const float *, int64_t) nogil

cdef extern from "pooling.h":
    void pool(
        float *, int64_t, const float *, const float *, const int64_t *, int64_t, int64_t, int64_t
    ) nogil
    void pool_gradient(
        float *, const float *, int64_t, const float *, const int64_t *, int64_t, int64_t, int64_t
    ) nogil
