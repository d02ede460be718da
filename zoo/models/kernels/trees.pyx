# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Sums over ensembles of regression trees, compiled: in NumPy, every level of every tree passes through memory."""

from libc.stdint cimport int64_t

from zoo.models.kernels.shapes cimport check_shapes

cdef enum:
    ROWS = 64  # whose features stay in a core's cache, while all trees are read


def sums(
    const float[:, ::1] rows,
    const int[::1] roots,
    const int[::1] features,
    const float[::1] thresholds,
    const int[::1] left,
    const int[::1] right,
    const float[::1] values,
    int64_t max_depth,
    double[::1] result,
):
    """Add the values of all trees for each row to `result`; return whether a leaf was reached in every tree.

    The arrays of the trees are those of :class:`zoo.models.regression.regressors.TreeEnsemble`.

    Parameters
    ----------
    rows : array of shape (n, d)
    roots, features, thresholds, left, right, values
    max_depth : int
        Number of steps after which a tree is given up.
    result : array of shape (n,)

    Raises
    ------
    ValueError
        If the arrays do not fit together.
    """
    cdef int64_t block, first, last, row, tree, _step, nodes = features.shape[0], count = rows.shape[0]
    cdef int node, column
    cdef bint complete = True
    check_shapes(
        thresholds.shape[0] == nodes and left.shape[0] == nodes and right.shape[0] == nodes
        and values.shape[0] == nodes and result.shape[0] == count
    )
    for tree in range(roots.shape[0]):
        check_shapes(0 <= roots[tree] < nodes)
    for row in range(nodes):
        check_shapes(
            features[row] < rows.shape[1] and 0 <= left[row] < nodes and 0 <= right[row] < nodes
        )
    with nogil:
        for block in range((count + ROWS - 1) // ROWS):
            first, last = block * ROWS, min(block * ROWS + ROWS, count)
            for tree in range(roots.shape[0]):
                for row in range(first, last):
                    node = roots[tree]
                    for _step in range(max_depth):
                        column = features[node]
                        if column < 0:
                            break
                        node = left[node] if rows[row, column] <= thresholds[node] else right[node]
                    complete &= features[node] < 0
                    result[row] += values[node]
    return complete
