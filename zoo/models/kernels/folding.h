/* Folding of normalisations into the linear maps before them, and the gradients of both. */

#include "polynomials.h"

#define TILE 16  /* rows and columns that are transposed at once, so that neither way waits for memory */

/* out (columns, rows) = transpose of scale of each row × values (rows, columns). */
FOR_EACH_PROCESSOR static void transpose(
    float *ALIAS_FREE out, const float *values, int64_t row_size, const float *scale, int64_t rows, int64_t columns)
{
    for (int64_t row = 0; row < rows; row += TILE) {
        int64_t until = rows - row < TILE ? rows : row + TILE;
        for (int64_t column = 0; column < columns; column++)
            for (int64_t i = row; i < until; i++)
                out[column * rows + i] = scale[i] * values[i * row_size + column];
    }
}

/* out = scale × gradient, of which one value is `step` from the next; returns the sum of gradient × weight. */
FOR_EACH_PROCESSOR static double scale_row(
    float *ALIAS_FREE out, const float *gradient, int64_t step, const float *weight, float scale, int64_t size)
{
    float products[BLOCK];
    double sum = 0.0;
    for (int64_t first = 0; first < size; first += BLOCK) {
        int64_t some = size - first < BLOCK ? size - first : BLOCK;
        for (int64_t i = 0; i < some; i++) {
            float value = gradient[(first + i) * step];
            out[first + i] = scale * value;
            products[i] = value * weight[first + i];
        }
        for (int64_t i = some; i < BLOCK; i++)
            products[i] = 0.0f;
        for (int64_t half = BLOCK / 2; half > 0; half /= 2)  /* pairwise: vectors, and little rounding error */
            for (int64_t i = 0; i < half; i++)
                products[i] += products[i + half];
        sum += products[0];
    }
    return sum;
}

/* One array added to another. */
FOR_EACH_PROCESSOR static void add_array(float *ALIAS_FREE out, const float *values, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        out[i] += values[i];
}
