/* The loops of updating.pyx. */

#include <string.h>

#include "polynomials.h"

#define LARGEST_EXPONENT 87.0f

/* Sum of the three terms of some features of an edge, and its sigmoid. Comparisons have a loop of their own, or the
   compiler divides once for each outcome. */
static ALWAYS_INLINE void gates(
    float *ALIAS_FREE sum, float *ALIAS_FREE gate, const float *at_center, const float *at_neighbor, const float *of_edge,
    int64_t size)
{
    for (int64_t i = 0; i < size; i++) {
        float x = -(at_center[i] + at_neighbor[i] + of_edge[i]);
        sum[i] = -x;
        x = x < -LARGEST_EXPONENT ? -LARGEST_EXPONENT : x;
        gate[i] = x > LARGEST_EXPONENT ? LARGEST_EXPONENT : x;
    }
    for (int64_t i = 0; i < size; i++)
        gate[i] = 1.0f / (1.0f + exponential(gate[i]));
}

static ALWAYS_INLINE void update_block(
    float *ALIAS_FREE out, float *ALIAS_FREE total, const float *at_center, const float *at_neighbor,
    const float *of_edge, const float *edge, float weight, int64_t size, int64_t width, int64_t groups)
{
    float sum[BLOCK], gate[BLOCK];
    gates(sum, gate, at_center, at_neighbor, of_edge, size);
    for (int64_t i = 0; i < size; i++) {
        out[i] = edge[i] + sum[i] * gate[i];
        gate[i] *= weight;
    }
    for (int64_t group = 0; group < groups; group++)
        for (int64_t i = 0; i < size; i++)
            total[group * width + i] += gate[i] * at_neighbor[(group + 1) * width + i];
    for (int64_t i = 0; i < size; i++)
        total[groups * width + i] += gate[i];
}

static ALWAYS_INLINE void gradient_block(
    float *ALIAS_FREE to_sum, float *ALIAS_FREE to_center, float *ALIAS_FREE to_neighbor, const float *at_center,
    const float *at_neighbor, const float *of_edge, const float *gradient, const float *to_total, float weight,
    int64_t size, int64_t width, int64_t groups)
{
    float sum[BLOCK], gate[BLOCK], to_gate[BLOCK], given[BLOCK];
    gates(sum, gate, at_center, at_neighbor, of_edge, size);
    for (int64_t i = 0; i < size; i++) {
        to_gate[i] = to_total[groups * width + i];
        given[i] = gradient ? gradient[i] : 0.0f;
    }
    for (int64_t group = 0; group < groups; group++)
        for (int64_t i = 0; i < size; i++)
            to_gate[i] += to_total[group * width + i] * at_neighbor[(group + 1) * width + i];
    for (int64_t i = 0; i < size; i++) {
        float slope = gate[i] * (1.0f - gate[i]);
        float change = given[i] * gate[i] + slope * (given[i] * sum[i] + weight * to_gate[i]);
        to_sum[i] = change;
        to_center[i] += change;
        to_neighbor[i] += change;
        gate[i] *= weight;
    }
    for (int64_t group = 0; group < groups; group++)
        for (int64_t i = 0; i < size; i++)
            to_neighbor[(group + 1) * width + i] += gate[i] * to_total[group * width + i];
}

/* Whole blocks have a size that the compiler knows. */
#define FOR_EACH_BLOCK(call) \
    for (int64_t first = 0; first < width; first += BLOCK) { \
        int64_t size = width - first < BLOCK ? width - first : BLOCK; \
        if (size == BLOCK) { call(BLOCK) } else { call(size) } \
    }

/* New features of the edges of some atoms, and the atoms' sums: of gated values, group by group, and of gates. */
FOR_EACH_PROCESSOR static void update_edges(
    float *out, float *totals, const float *centers, const float *neighbors, const float *of_edges, const float *edges,
    const int64_t *starts, const int64_t *others, const float *weights, int64_t from, int64_t until, int64_t width,
    int64_t groups)
{
    int64_t row = (groups + 1) * width;
    for (int64_t atom = from; atom < until; atom++) {
        memset(totals + atom * row, 0, (size_t)row * sizeof(float));
        for (int64_t edge = starts[atom]; edge < starts[atom + 1]; edge++) {
#define CALL(count) \
    update_block( \
        out + edge * width + first, totals + atom * row + first, centers + atom * width + first, \
        neighbors + others[edge] * row + first, of_edges + edge * width + first, edges + edge * width + first, \
        weights[edge], count, width, groups);
            FOR_EACH_BLOCK(CALL)
#undef CALL
        }
    }
}

/* Gradients with respect to the sums of the edges of some atoms and of its three terms. `gradients` may be NULL. */
FOR_EACH_PROCESSOR static void update_edges_gradient(
    float *to_sums, float *to_centers, float *to_neighbors, const float *centers, const float *neighbors,
    const float *of_edges, const float *gradients, const float *to_totals, const int64_t *starts, const int64_t *others,
    const float *weights, int64_t from, int64_t until, int64_t width, int64_t groups)
{
    int64_t row = (groups + 1) * width;
    memset(to_centers + from * width, 0, (size_t)((until - from) * width) * sizeof(float));
    memset(to_neighbors + from * row, 0, (size_t)((until - from) * row) * sizeof(float));
    for (int64_t atom = from; atom < until; atom++) {
        for (int64_t edge = starts[atom]; edge < starts[atom + 1]; edge++) {
            const float *gradient = gradients ? gradients + edge * width : NULL;
#define CALL(count) \
    gradient_block( \
        to_sums + edge * width + first, to_centers + atom * width + first, to_neighbors + others[edge] * row + first, \
        centers + atom * width + first, neighbors + others[edge] * row + first, of_edges + edge * width + first, \
        gradient ? gradient + first : NULL, to_totals + atom * row + first, weights[edge], count, width, groups);
            FOR_EACH_BLOCK(CALL)
#undef CALL
        }
    }
}
