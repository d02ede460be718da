/* Products of small matrices, in a processor's cache: as fast as libraries for large ones, without their threads. */

#ifndef ZOO_PRODUCTS
#define ZOO_PRODUCTS

#include "polynomials.h"

#define TALL 4  /* rows by columns of a result that are summed in registers */
#define WIDE 64

/* Some rows and columns of a result; `down` and `right` are the steps to the next row and column of the first factor. */
static ALWAYS_INLINE void tile(
    float *ALIAS_FREE out, int64_t out_row, const float *first, int64_t down, int64_t right, const float *second,
    int64_t second_row, int64_t depth, int64_t tall, int64_t wide, int add)
{
    float sums[TALL][WIDE];
    for (int64_t i = 0; i < tall; i++)
        for (int64_t j = 0; j < wide; j++)
            sums[i][j] = 0.0f;
    for (int64_t k = 0; k < depth; k++) {
        const float *row = second + k * second_row;
        for (int64_t i = 0; i < tall; i++) {
            float factor = first[i * down + k * right];
            for (int64_t j = 0; j < wide; j++)
                sums[i][j] += factor * row[j];
        }
    }
    for (int64_t i = 0; i < tall; i++)
        for (int64_t j = 0; j < wide; j++)
            out[i * out_row + j] = add ? out[i * out_row + j] + sums[i][j] : sums[i][j];
}

/* out = first × second, or that added to it; out (rows, columns) and second (depth, columns) are stored by row. */
FOR_EACH_PROCESSOR static void product(
    float *out, int64_t out_row, const float *first, int64_t down, int64_t right, const float *second,
    int64_t second_row, int64_t rows, int64_t columns, int64_t depth, int add)
{
    for (int64_t j = 0; j < columns; j += WIDE) {
        int64_t wide = columns - j < WIDE ? columns - j : WIDE;
        for (int64_t i = 0; i < rows; i += TALL) {
            int64_t tall = rows - i < TALL ? rows - i : TALL;
            float *to = out + i * out_row + j;
            if (tall == TALL && wide == WIDE)  /* sizes that the compiler knows */
                tile(to, out_row, first + i * down, down, right, second + j, second_row, depth, TALL, WIDE, add);
            else
                tile(to, out_row, first + i * down, down, right, second + j, second_row, depth, tall, wide, add);
        }
    }
}

#endif
