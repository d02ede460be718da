/* The loops of gating.pyx. */

#include <string.h>

#include "polynomials.h"

#define WINDOW 9  /* Gaussians at once */
#define LANES 16  /* computed: whole vectors */
#define MIN_EXPONENT -60.0f  /* so that a Gaussian times a weight or a gradient is not subnormal */
#define SUM_OF_WINDOW(column) \
    (g[0] * (column)[0] + g[1] * (column)[row] + g[2] * (column)[2 * row] + g[3] * (column)[3 * row] \
    + g[4] * (column)[4 * row] + g[5] * (column)[5 * row] + g[6] * (column)[6 * row] + g[7] * (column)[7 * row] \
    + g[8] * (column)[8 * row])

/* The WINDOW Gaussians around each distance, and the index of the first of them. */
FOR_EACH_PROCESSOR static void expand_distances(
    float *ALIAS_FREE window, int64_t *ALIAS_FREE firsts, const float *distances, float spacing, float highest,
    int64_t edges)
{
    float row[LANES];
    for (int64_t edge = 0; edge < edges; edge++) {
        float steps = distances[edge] / spacing, first = ceilf(steps - WINDOW / 2);
        first = first > 0.0f ? first : 0.0f;  /* NaN as well */
        first = first < highest ? first : highest;
        firsts[edge] = (int64_t)first;
        for (int32_t k = 0; k < LANES; k++) {
            float away = steps - first - k, x = -away * away;
            row[k] = exponential(x < MIN_EXPONENT ? MIN_EXPONENT : x);
        }
        memcpy(window + edge * WINDOW, row, WINDOW * sizeof(float));
    }
}

/* σ(gate) and softplus(core) of some features of an edge; `bond` holds the weights of the window's Gaussians. Comparisons
   have loops of their own, or the compiler divides once for each outcome. NaN compares false, and stays NaN. */
static ALWAYS_INLINE void factors(
    float *ALIAS_FREE gate, float *ALIAS_FREE core, const float *at_center, const float *at_neighbor, const float *bond,
    const float *g, int64_t size, int64_t width)
{
    float gate_exponent[BLOCK], exponent[BLOCK], positive[BLOCK];
    int64_t row = 2 * width;
    for (int64_t i = 0; i < size; i++) {
        float x = -(at_center[i] + at_neighbor[i] + SUM_OF_WINDOW(bond + i));
        x = x < -87.0f ? -87.0f : x;
        gate_exponent[i] = x > 87.0f ? 87.0f : x;
    }
    for (int64_t i = 0; i < size; i++) {
        float x = at_center[width + i] + at_neighbor[width + i] + SUM_OF_WINDOW(bond + width + i);
        float falling = -fabsf(x);
        exponent[i] = falling < -87.0f ? -87.0f : falling;
        positive[i] = x < 0.0f ? 0.0f : x;
    }
    for (int64_t i = 0; i < size; i++) {
        core[i] = positive[i] + logarithm(exponential(exponent[i]));
        gate[i] = 1.0f / (1.0f + exponential(gate_exponent[i]));
    }
}

/* Sums over the edges of each atom. Where `gates` and `cores` are given, both factors of each edge are stored there. */
FOR_EACH_PROCESSOR static void sum_gated(
    float *ALIAS_FREE out, float *gates, float *cores, const float *weight, const float *center, const float *neighbor,
    const float *window, const int64_t *firsts, const int64_t *starts, const int64_t *neighbors, const float *counts,
    int64_t from, int64_t until, int64_t end, int64_t width)
{
    float gate[BLOCK], core[BLOCK];
    int64_t row = 2 * width;
    for (int64_t atom = from; atom < until; atom++) {
        float *sum = out + atom * width;
        int64_t stop = atom + 1 < until ? starts[atom + 1] : end;
        for (int64_t i = 0; i < width; i++)
            sum[i] = 0.0f;
        for (int64_t edge = starts[atom]; edge < stop; edge++) {
            const float *g = window + edge * WINDOW;
            float count = counts[edge];
            for (int64_t first = 0; first < width; first += BLOCK) {
                int64_t size = width - first < BLOCK ? width - first : BLOCK;
                const float *at_center = center + atom * row + first;
                const float *at_neighbor = neighbor + neighbors[edge] * row + first;
                const float *bond = weight + firsts[edge] * row + first;
                factors(gate, core, at_center, at_neighbor, bond, g, size, width);
                for (int64_t i = 0; i < size; i++)
                    sum[first + i] += count * core[i] * gate[i];
                if (gates != NULL) {
                    memcpy(gates + edge * width + first, gate, size * sizeof(float));
                    memcpy(cores + edge * width + first, core, size * sizeof(float));
                }
            }
        }
    }
}

/* Gradients of those sums. Without `gates` and `cores` the factors of each edge are computed again. */
FOR_EACH_PROCESSOR static void sum_gated_gradient(
    float *to_weight, float *to_center, float *to_neighbor, const float *gradient, const float *gates,
    const float *cores, const float *weight, const float *center, const float *neighbor, const float *window,
    const int64_t *firsts, const int64_t *starts, const int64_t *neighbors, const float *counts, int64_t from,
    int64_t until, int64_t end, int64_t width)
{
    float gate[BLOCK], core[BLOCK], exponent[BLOCK], of_gate[BLOCK], of_core[BLOCK];
    int64_t row = 2 * width;
    for (int64_t i = from * row; i < until * row; i++)
        to_center[i] = to_neighbor[i] = 0.0f;
    for (int64_t atom = from; atom < until; atom++) {
        int64_t stop = atom + 1 < until ? starts[atom + 1] : end;
        for (int64_t edge = starts[atom]; edge < stop; edge++) {
            const float *g = window + edge * WINDOW;
            float count = counts[edge];
            for (int64_t first = 0; first < width; first += BLOCK) {
                int64_t size = width - first < BLOCK ? width - first : BLOCK, offset = atom * row + first;
                int64_t there = neighbors[edge] * row + first, apart = firsts[edge] * row + first;
                const float *at_center = center + offset, *at_neighbor = neighbor + there;
                const float *bond = weight + apart;
                const float *up = gradient + atom * width + first;
                float *center_gradient = to_center + offset, *neighbor_gradient = to_neighbor + there;
                float *bond_gradient = to_weight + apart;
                if (gates == NULL) {
                    factors(gate, core, at_center, at_neighbor, bond, g, size, width);
                } else {
                    memcpy(gate, gates + edge * width + first, size * sizeof(float));
                    memcpy(core, cores + edge * width + first, size * sizeof(float));
                }
                for (int64_t i = 0; i < size; i++)
                    exponent[i] = core[i] > 87.0f ? -87.0f : -core[i];
                for (int64_t i = 0; i < size; i++) {  /* the slope of the softplus is 1 - e^-softplus */
                    float common = up[i] * count * gate[i];
                    of_gate[i] = common * core[i] * (1.0f - gate[i]);
                    of_core[i] = common * (1.0f - exponential(exponent[i]));
                }
                AS_VECTORS
                for (int64_t i = 0; i < size; i++) {
                    center_gradient[i] += of_gate[i];
                    center_gradient[width + i] += of_core[i];
                }
                AS_VECTORS
                for (int64_t i = 0; i < size; i++) {
                    neighbor_gradient[i] += of_gate[i];
                    neighbor_gradient[width + i] += of_core[i];
                }
                for (int64_t k = 0; k < WINDOW; k++, bond_gradient += row) {
                    float of_this = g[k];
                    AS_VECTORS
                    for (int64_t i = 0; i < size; i++) {
                        bond_gradient[i] += of_this * of_gate[i];
                        bond_gradient[width + i] += of_this * of_core[i];
                    }
                }
            }
        }
    }
}

/* Sums of the values of each atom's neighbours, or, transposed, of the atoms whose neighbour it is. */
FOR_EACH_PROCESSOR static void sum_neighbor_values(
    float *out, const float *values, const int64_t *starts, const int64_t *neighbors, const float *counts,
    int64_t from, int64_t until, int64_t end, int64_t width, int to_neighbors)
{
    for (int64_t i = from * width; i < until * width; i++)
        out[i] = 0.0f;
    for (int64_t atom = from; atom < until; atom++) {
        int64_t stop = atom + 1 < until ? starts[atom + 1] : end;
        for (int64_t edge = starts[atom]; edge < stop; edge++) {
            float count = counts[edge];
            float *sum = out + (to_neighbors ? neighbors[edge] : atom) * width;
            const float *value = values + (to_neighbors ? atom : neighbors[edge]) * width;
            AS_VECTORS
            for (int64_t i = 0; i < width; i++)
                sum[i] += count * value[i];
        }
    }
}
