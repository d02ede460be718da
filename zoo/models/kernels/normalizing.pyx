# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Batch normalisation around the gated sums of `zoo.models`, and its gradients, compiled: a few passes over the atoms.

In torch the same takes two dozen steps, which cost more than what they compute where a batch is small.
"""

from libc.math cimport sqrtf

import numpy as np

from zoo.models.kernels.fitting cimport need


cdef object gradients(Normalization norm, float[:, ::1] sums):
    """Return those of gain and bias, given the sums of the values' own, times what exceeds the mean and alone."""
    cdef int64_t i
    for i in range(norm.width):
        sums[0, i] *= norm.rows[1, i]
    return np.asarray(sums[0]), np.asarray(sums[1])


cdef class Normalization:
    """Values × scale + shift, by a mean and a variance of theirs, or by others.

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
        need(0 < self.width == variance.shape[0] == gain.shape[0] == bias.shape[0])
        self.rows = np.empty((4, self.width), dtype=np.float32)
        for i in range(self.width):
            self.rows[0, i] = mean[i]
            self.rows[1, i] = 1 / sqrtf(variance[i] + epsilon)
            self.rows[2, i] = gain[i] * self.rows[1, i]
            self.rows[3, i] = bias[i] - mean[i] * self.rows[2, i]

    @property
    def mean(self):
        """What is taken from the values; shape (n,)."""
        return np.asarray(self.rows[0])

    def to_statistics(self, const float[::1] to_gain, const float[::1] to_bias):
        """Return the gradients of mean and variance, given those of gain and bias."""
        cdef int64_t i
        cdef float[:, ::1] gradients = np.empty((2, self.width), dtype=np.float32)
        need(to_gain.shape[0] == to_bias.shape[0] == self.width)
        for i in range(self.width):
            gradients[0, i] = -self.rows[2, i] * to_bias[i]
            gradients[1, i] = -0.5 * self.rows[2, i] * self.rows[1, i] * to_gain[i]
        return np.asarray(gradients)

    def ends(self, const float[:, ::1] center, const float[:, ::1] neighbor, const float[:, :] bond, Py_ssize_t least):
        """Normalise what the three parts of an edge add up to.

        Parameters
        ----------
        center, neighbor : arrays of shape (M, n)
            What an atom adds at either end.
        bond : array of shape (n, G)
            What each Gaussian adds.
        least : int
            Gaussians to return at least; those that are too many are zero.

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
        need(neighbor.shape[0] == atoms and center.shape[1] == neighbor.shape[1] == bond.shape[0] == self.width)
        with nogil:
            for k in range(gaussians):
                for i in range(self.width):
                    by_gaussian[k, i] = bond[i, k] * self.rows[2, i]
            if atoms > 0:
                scale_ends(
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
        """Lead gradients back through `ends`.

        Parameters
        ----------
        to_center, to_neighbor : arrays of shape (M, n)
            Of what was returned; changed to those of what was given.
        to_gaussian : array of shape (P, max(G, least), n)
            Of what was returned, in parts to add up.
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
        cdef float[:, ::1] sums = np.zeros((4, self.width), dtype=np.float32)  # the last ones: nobody asks, and zero
        cdef float gradient
        need(to_center.shape[0] == to_neighbor.shape[0] == neighbor.shape[0] == atoms)
        need(to_center.shape[1] == to_neighbor.shape[1] == center.shape[1] == neighbor.shape[1] == self.width)
        need(bond.shape[0] == to_bond.shape[0] == to_gaussian.shape[2] == self.width)
        need(gaussians == to_bond.shape[1] and gaussians <= to_gaussian.shape[1])
        with nogil:
            if atoms > 0:
                add_up(
                    &sums[1, 0], &sums[0, 0], &to_center[0, 0], &center[0, 0], &self.rows[0, 0], atoms, self.width
                )
                add_up(&sums[2, 0], &sums[0, 0], &to_neighbor[0, 0], &neighbor[0, 0], &sums[3, 0], atoms, self.width)
                multiply(&to_center[0, 0], &self.rows[2, 0], atoms, self.width)
                multiply(&to_neighbor[0, 0], &self.rows[2, 0], atoms, self.width)
            for i in range(self.width):
                for k in range(gaussians):
                    gradient = 0
                    for part in range(to_gaussian.shape[0]):
                        gradient += to_gaussian[part, k, i]
                    sums[0, i] += gradient * bond[i, k]
                    to_bond[i, k] = gradient * self.rows[2, i]
        return gradients(self, sums)

    def softplus(self, const float[:, ::1] atoms, const float[:, ::1] values, float[:, ::1] out):
        """Take the softplus of atoms and normalised values, added up.

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
        need(atoms.shape[0] == values.shape[0] == rows)
        need(atoms.shape[1] == values.shape[1] == out.shape[1] == self.width)
        if rows > 0:
            with nogil:
                soften(
                    &out[0, 0], &atoms[0, 0], &values[0, 0], &self.rows[2, 0], &self.rows[3, 0], rows, self.width
                )

    def softplus_gradients(
        self,
        const float[:, ::1] gradient,
        const float[:, ::1] softened,
        const float[:, ::1] values,
        float[:, ::1] to_atoms,
        float[:, ::1] to_values,
    ):
        """Lead a gradient back through `softplus`.

        Parameters
        ----------
        gradient, softened : arrays of shape (M, n)
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
        need(gradient.shape[0] == softened.shape[0] == to_atoms.shape[0] == to_values.shape[0] == rows)
        need(gradient.shape[1] == softened.shape[1] == values.shape[1] == self.width)
        need(to_atoms.shape[1] == to_values.shape[1] == self.width)
        if rows > 0:
            with nogil:
                harden(
                    &to_atoms[0, 0], &to_values[0, 0], &gradient[0, 0], &softened[0, 0], &self.rows[2, 0], rows,
                    self.width,
                )
                add_up(&sums[1, 0], &sums[0, 0], &to_atoms[0, 0], &values[0, 0], &self.rows[0, 0], rows, self.width)
        return gradients(self, sums)
