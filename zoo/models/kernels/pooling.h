/* Means over the atoms of crystals, and their gradients. */

#include "polynomials.h"

/* Each crystal's sum of share × values over its atoms, which are those from atoms[crystal] to atoms[crystal + 1]. */
FOR_EACH_PROCESSOR static void pool(
    float *ALIAS_FREE out, int64_t out_row, const float *values, const float *shares, const int64_t *atoms,
    int64_t from, int64_t until, int64_t width)
{
    for (int64_t crystal = from; crystal < until; crystal++) {
        float *sum = out + crystal * out_row;
        for (int64_t i = 0; i < width; i++)
            sum[i] = 0.0f;
        for (int64_t atom = atoms[crystal]; atom < atoms[crystal + 1]; atom++)
            for (int64_t i = 0; i < width; i++)
                sum[i] += shares[atom] * values[atom * width + i];
    }
}

/* Adds share × the gradient of its crystal to the gradient of each atom. */
FOR_EACH_PROCESSOR static void pool_gradient(
    float *ALIAS_FREE out, const float *values, int64_t row, const float *shares, const int64_t *atoms, int64_t from,
    int64_t until, int64_t width)
{
    for (int64_t crystal = from; crystal < until; crystal++)
        for (int64_t atom = atoms[crystal]; atom < atoms[crystal + 1]; atom++)
            for (int64_t i = 0; i < width; i++)
                out[atom * width + i] += shares[atom] * values[crystal * row + i];
}
