# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Batch normalisation around the gated sums of `zoo.models`, and its gradients, compiled: a few passes over the atoms.

Torch takes two dozen steps for the same, whose overhead exceeds the arithmetic in small batches.
"""

from libc.math cimport sqrtf

import numpy as np

from zoo.models.kernels.shapes cimport check_shapes


cdef object gradients(Normalization norm, float[:, ::1] sums):
    """Return the gradients of gain and bias, given the sums of gradient × (value - mean) and of gradients."""
    cdef int64_t i
    for i in range(norm.width):
        sums[0, i] *= norm.rows[1, i]
    return np.asarray(sums[0]), np.asarray(sums[1])


cdef class Normalization:
    """Values × scale + shift, by a mean and a variance.

    Parameters
    ----------
    mean, variance : arrays of shape (n,)
    epsilon : float
        Added to the variance.
    gain, bias : arrays of shape (n,)

    Raises
    ------
    ValueError
        If shapes do not fit together.
    """

    def __cinit__(
        self,
        const float[::1] mean,
        const float[::1] variance,
        float epsilon,
        const float[::1] gain,
        const float[::1] bias,
    ):
        cdef int64_t i
        self.width = mean.shape[0]
        check_shapes(0 < self.width == variance.shape[0] == gain.shape[0] == bias.shape[0])
        self.rows = np.empty((4, self.width), dtype=np.float32)
        for i in range(self.width):
            self.rows[0, i] = mean[i]
            self.rows[1, i] = 1 / sqrtf(variance[i] + epsilon)
            self.rows[2, i] = gain[i] * self.rows[1, i]
            self.rows[3, i] = bias[i] - mean[i] * self.rows[2, i]

    @property
    def mean(self):
        """The mean that is subtracted; shape (n,)."""
        return np.asarray(self.rows[0])

    def to_statistics(self, const float[::1] to_gain, const float[::1] to_bias):
        """Return the gradients of mean and variance, given those of gain and bias."""
        cdef int64_t i
        cdef float[:, ::1] gradients = np.empty((2, self.width), dtype=np.float32)
        check_shapes(to_gain.shape[0] == to_bias.shape[0] == self.width)
        for i in range(self.width):
            gradients[0, i] = -self.rows[2, i] * to_bias[i]
            gradients[1, i] = -0.5 * self.rows[2, i] * self.rows[1, i] * to_gain[i]
        return np.asarray(gradients)

    def ends(self, const float[:, ::1] center, const float[:, ::1] neighbor, const float[:, :] bond, Py_ssize_t least):
        """Fold the normalisation of an edge's sum into the three terms of the sum.

        Parameters
        ----------
        center, neighbor : arrays of shape (M, n)
            Terms of an atom at either end.
        bond : array of shape (n, G)
            Terms of each Gaussian.
        least : int
            Smallest number of Gaussians to return; those added are zero.

        Returns
        -------
        bond : array of shape (max(G, least), n)
        center, neighbor : arrays of shape (M, n)

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t atoms = center.shape[0], gaussians = bond.shape[1], i, k
        cdef float[:, ::1] by_gaussian = np.zeros((max(gaussians, least), self.width), dtype=np.float32)
        cdef float[:, :, ::1] ends = np.empty((2, atoms, self.width), dtype=np.float32)
        check_shapes(neighbor.shape[0] == atoms and center.shape[1] == neighbor.shape[1] == bond.shape[0] == self.width)
        with nogil:
            for k in range(gaussians):
                for i in range(self.width):
                    by_gaussian[k, i] = bond[i, k] * self.rows[2, i]
            if atoms > 0:
                normalize_ends(
                    &ends[0, 0, 0], &ends[1, 0, 0], &center[0, 0], &neighbor[0, 0], &self.rows[2, 0], &self.rows[3, 0],
                    atoms, self.width,
                )
        return np.asarray(by_gaussian), np.asarray(ends[0]), np.asarray(ends[1])

    def end_gradients(
        self,
        float[:, ::1] to_center,
        float[:, ::1] to_neighbor,
        const float[:, :, ::1] to_gaussian,
        const float[:, ::1] center,
        const float[:, ::1] neighbor,
        const float[:, :] bond,
        float[:, :] to_bond,
    ):
        """Compute the gradients of `ends`.

        Parameters
        ----------
        to_center, to_neighbor : arrays of shape (M, n)
            Gradients of what was returned; replaced by the gradients of what was given.
        to_gaussian : array of shape (P, max(G, least), n)
            Gradient of what was returned, in parts to add up.
        center, neighbor, bond : arrays
            What was given.
        to_bond : array of shape (n, G)
            Written to.

        Returns
        -------
        to_gain, to_bias : arrays of shape (n,)

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t atoms = center.shape[0], gaussians = bond.shape[1], i, k, part
        cdef float[:, ::1] sums = np.zeros((4, self.width), dtype=np.float32)  # the last two rows: unused, and zero
        cdef float gradient
        check_shapes(to_center.shape[0] == to_neighbor.shape[0] == neighbor.shape[0] == atoms)
        check_shapes(to_center.shape[1] == to_neighbor.shape[1] == center.shape[1] == neighbor.shape[1] == self.width)
        check_shapes(bond.shape[0] == to_bond.shape[0] == to_gaussian.shape[2] == self.width)
        check_shapes(gaussians == to_bond.shape[1] and gaussians <= to_gaussian.shape[1])
        with nogil:
            if atoms > 0:
                add_sums(
                    &sums[1, 0], &sums[0, 0], &to_center[0, 0], &center[0, 0], &self.rows[0, 0], atoms, self.width
                )
                add_sums(&sums[2, 0], &sums[0, 0], &to_neighbor[0, 0], &neighbor[0, 0], &sums[3, 0], atoms, self.width)
                scale_rows(&to_center[0, 0], &self.rows[2, 0], atoms, self.width)
                scale_rows(&to_neighbor[0, 0], &self.rows[2, 0], atoms, self.width)
            for i in range(self.width):
                for k in range(gaussians):
                    gradient = 0
                    for part in range(to_gaussian.shape[0]):
                        gradient += to_gaussian[part, k, i]
                    sums[0, i] += gradient * bond[i, k]
                    to_bond[i, k] = gradient * self.rows[2, i]
        return gradients(self, sums)

    def softplus(self, const float[:, ::1] atoms, const float[:, ::1] values, float[:, ::1] out):
        """Compute softplus(atoms + normalised values).

        Parameters
        ----------
        atoms, values : arrays of shape (M, n)
        out : array of shape (M, n)
            Written to.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t rows = out.shape[0]
        check_shapes(atoms.shape[0] == values.shape[0] == rows)
        check_shapes(atoms.shape[1] == values.shape[1] == out.shape[1] == self.width)
        if rows > 0:
            with nogil:
                softplus_sum(
                    &out[0, 0], &atoms[0, 0], &values[0, 0], &self.rows[2, 0], &self.rows[3, 0], rows, self.width
                )

    def softplus_gradients(
        self,
        const float[:, ::1] gradient,
        const float[:, ::1] output,
        const float[:, ::1] values,
        float[:, ::1] to_atoms,
        float[:, ::1] to_values,
    ):
        """Compute the gradients of `softplus`.

        Parameters
        ----------
        gradient, output : arrays of shape (M, n)
            Of what it wrote, and that.
        values : array of shape (M, n)
            What it was given.
        to_atoms, to_values : arrays of shape (M, n)
            Written to.

        Returns
        -------
        to_gain, to_bias : arrays of shape (n,)

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        cdef int64_t rows = values.shape[0]
        cdef float[:, ::1] sums = np.zeros((2, self.width), dtype=np.float32)
        check_shapes(gradient.shape[0] == output.shape[0] == to_atoms.shape[0] == to_values.shape[0] == rows)
        check_shapes(gradient.shape[1] == output.shape[1] == values.shape[1] == self.width)
        check_shapes(to_atoms.shape[1] == to_values.shape[1] == self.width)
        if rows > 0:
            with nogil:
                softplus_sum_gradient(
                    &to_atoms[0, 0], &to_values[0, 0], &gradient[0, 0], &output[0, 0], &self.rows[2, 0], rows,
                    self.width,
                )
                add_sums(&sums[1, 0], &sums[0, 0], &to_atoms[0, 0], &values[0, 0], &self.rows[0, 0], rows, self.width)
        return gradients(self, sums)
