/* The loops of normalizing.pyx. */

#include <stddef.h>

#include "polynomials.h"

#define ROWS 64  /* summed in single precision before they are added to a sum in double precision */

/* Values at both ends of edges, normalised; the shift is added at the centre. */
FOR_EACH_PROCESSOR static void normalize_ends(
    float *ALIAS_FREE to_center, float *ALIAS_FREE to_neighbor, const float *center, const float *neighbor,
    const float *scale, const float *shift, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++) {
        int64_t offset = row * width;
        for (int64_t i = 0; i < width; i++) {
            to_center[offset + i] = center[offset + i] * scale[i] + shift[i];
            to_neighbor[offset + i] = neighbor[offset + i] * scale[i];
        }
    }
}

/* Adds to two sums over rows: of gradients, and of gradient × (value - mean) if `values` are given. */
FOR_EACH_PROCESSOR static void add_sums(
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
                int64_t offset = row * width + first;
                for (int64_t i = 0; i < size; i++)
                    some_up[i] += gradient[offset + i];
                if (values != NULL)
                    for (int64_t i = 0; i < size; i++)
                        some_products[i] += gradient[offset + i] * (values[offset + i] - mean[first + i]);
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
FOR_EACH_PROCESSOR static void scale_rows(float *ALIAS_FREE values, const float *scale, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < width; i++)
            values[row * width + i] *= scale[i];
}

/* log(1 + e^x) of atoms + values × scale + shift. */
FOR_EACH_PROCESSOR static void softplus_sum(
    float *ALIAS_FREE out, const float *atoms, const float *values, const float *scale, const float *shift, int64_t rows,
    int64_t width)
{
    float exponent[BLOCK], positive[BLOCK];
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t first = 0; first < width; first += BLOCK) {
            int64_t size = width - first < BLOCK ? width - first : BLOCK, offset = row * width + first;
            for (int64_t i = 0; i < size; i++) {
                float x = atoms[offset + i] + (values[offset + i] * scale[first + i] + shift[first + i]);
                float falling = -fabsf(x);
                exponent[i] = falling < -87.0f ? -87.0f : falling;
                positive[i] = x < 0.0f ? 0.0f : x;
            }
            for (int64_t i = 0; i < size; i++)
                out[offset + i] = positive[i] + logarithm(exponential(exponent[i]));
        }
    }
}

/* Gradients of that with respect to atoms and values; the slope of the softplus is 1 - e^-softplus. */
FOR_EACH_PROCESSOR static void softplus_sum_gradient(
    float *ALIAS_FREE to_atoms, float *ALIAS_FREE to_values, const float *gradient, const float *output,
    const float *scale, int64_t rows, int64_t width)
{
    for (int64_t row = 0; row < rows; row++) {
        int64_t offset = row * width;
        for (int64_t i = 0; i < width; i++) {
            float x = output[offset + i] > 87.0f ? -87.0f : -output[offset + i];
            float slope = gradient[offset + i] * (1.0f - exponential(x));
            to_atoms[offset + i] = slope;
            to_values[offset + i] = slope * scale[i];
        }
    }
}
