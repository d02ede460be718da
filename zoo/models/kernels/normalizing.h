/* The loops of normalizing.pyx. */

#include <stddef.h>

#include "polynomials.h"

#define ROWS 64  /* summed in single precision before they are added to a sum in double, which loses no digits */

/* Both ends of edges normalised, the shift in one of them. */
FOR_EACH_PROCESSOR static void scale_ends(
    float *ALIAS_FREE to_center, float *ALIAS_FREE to_neighbor, const float *center, const float *neighbor,
    const float *scale, const float *shift, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++) {
        int64_t here = row * width;
        for (int64_t i = 0; i < width; i++) {
            to_center[here + i] = center[here + i] * scale[i] + shift[i];
            to_neighbor[here + i] = neighbor[here + i] * scale[i];
        }
    }
}

/* Adds to two sums over rows: of gradients, and of their products with values less their means, if there are any. */
FOR_EACH_PROCESSOR static void add_up(
    float *up, float *products, const float *gradient, const float *values, const float *mean, int64_t rows,
    int64_t width)
{
    float some_up[BLOCK], some_products[BLOCK];
    double all_up[BLOCK], all_products[BLOCK];
    for (int64_t first = 0; first < width; first += BLOCK) {
        int64_t size = width - first < BLOCK ? width - first : BLOCK;
        for (int64_t i = 0; i < size; i++)
            all_up[i] = all_products[i] = 0.0;
        for (int64_t from = 0; from < rows; from += ROWS) {
            int64_t until = rows - from < ROWS ? rows : from + ROWS;
            for (int64_t i = 0; i < size; i++)
                some_up[i] = some_products[i] = 0.0f;
            for (int64_t row = from; row < until; row++) {
                int64_t here = row * width + first;
                for (int64_t i = 0; i < size; i++)
                    some_up[i] += gradient[here + i];
                if (values != NULL)
                    for (int64_t i = 0; i < size; i++)
                        some_products[i] += gradient[here + i] * (values[here + i] - mean[first + i]);
            }
            for (int64_t i = 0; i < size; i++) {
                all_up[i] += some_up[i];
                all_products[i] += some_products[i];
            }
        }
        for (int64_t i = 0; i < size; i++)
            up[first + i] += (float)all_up[i];
        if (values != NULL)
            for (int64_t i = 0; i < size; i++)
                products[first + i] += (float)all_products[i];
    }
}

/* Rows × scale, in place. */
FOR_EACH_PROCESSOR static void multiply(float *ALIAS_FREE values, const float *scale, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < width; i++)
            values[row * width + i] *= scale[i];
}

/* log(1 + e^x) of atoms + values × scale + shift. */
FOR_EACH_PROCESSOR static void soften(
    float *ALIAS_FREE out, const float *atoms, const float *values, const float *scale, const float *shift, int64_t rows,
    int64_t width)
{
    float bent[BLOCK], straight[BLOCK];
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t first = 0; first < width; first += BLOCK) {
            int64_t size = width - first < BLOCK ? width - first : BLOCK, here = row * width + first;
            for (int64_t i = 0; i < size; i++) {
                float x = atoms[here + i] + (values[here + i] * scale[first + i] + shift[first + i]);
                float falling = -fabsf(x);
                bent[i] = falling < -87.0f ? -87.0f : falling;
                straight[i] = x < 0.0f ? 0.0f : x;
            }
            for (int64_t i = 0; i < size; i++)
                out[here + i] = straight[i] + logarithm(exponential(bent[i]));
        }
    }
}

/* What is led back through that, and through the normalisation: a softplus has the slope 1 - e^-softplus. */
FOR_EACH_PROCESSOR static void harden(
    float *ALIAS_FREE to_atoms, float *ALIAS_FREE to_values, const float *gradient, const float *softened,
    const float *scale, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++) {
        int64_t here = row * width;
        for (int64_t i = 0; i < width; i++) {
            float x = softened[here + i] > 87.0f ? -87.0f : -softened[here + i];
            float slope = gradient[here + i] * (1.0f - exponential(x));
            to_atoms[here + i] = slope;
            to_values[here + i] = slope * scale[i];
        }
    }
}
