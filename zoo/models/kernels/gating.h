/* The loops of gating.pyx. */

#include <string.h>

#include "polynomials.h"

#define WINDOW 9  /* Gaussians at once */
#define LANES 16  /* a few more, so that they are whole vectors */
#define LEAST -60.0f  /* so that a Gaussian times a weight, or a gradient, is a normal number */
#define SUM_OF_WINDOW(column) \
    (g[0] * (column)[0] + g[1] * (column)[row] + g[2] * (column)[2 * row] + g[3] * (column)[3 * row] \
    + g[4] * (column)[4 * row] + g[5] * (column)[5 * row] + g[6] * (column)[6 * row] + g[7] * (column)[7 * row] \
    + g[8] * (column)[8 * row])

/* The WINDOW Gaussians around each distance, and which one is the first of them. */
FOR_EACH_PROCESSOR static void expand(
    float *ALIAS_FREE window, int64_t *ALIAS_FREE firsts, const float *distances, float spacing, float highest,
    int64_t edges)
{
    float row[LANES];
    for (int64_t edge = 0; edge < edges; edge++) {
        float steps = distances[edge] / spacing, first = ceilf(steps - WINDOW / 2);
        first = first > 0.0f ? first : 0.0f;  /* what is no number as well */
        first = first < highest ? first : highest;
        firsts[edge] = (int64_t)first;
        for (int32_t k = 0; k < LANES; k++) {
            float away = steps - first - k, x = -away * away;
            row[k] = exponential(x < LEAST ? LEAST : x);
        }
        memcpy(window + edge * WINDOW, row, WINDOW * sizeof(float));
    }
}

/* σ(gate) and softplus(core) of some features of an edge; weights are those of the window's Gaussians. Comparisons are in
   loops of their own: else the compiler divides once for each of their outcomes. What is no number is neither larger nor
   smaller than anything, and stays none. */
static ALWAYS_INLINE void factors(
    float *ALIAS_FREE open, float *ALIAS_FREE soft, const float *mine, const float *its, const float *bond,
    const float *g, int64_t size, int64_t width)
{
    float steep[BLOCK], bent[BLOCK], straight[BLOCK];
    int64_t row = 2 * width;
    for (int64_t i = 0; i < size; i++) {
        float x = -(mine[i] + its[i] + SUM_OF_WINDOW(bond + i));
        x = x < -87.0f ? -87.0f : x;
        steep[i] = x > 87.0f ? 87.0f : x;
    }
    for (int64_t i = 0; i < size; i++) {
        float x = mine[width + i] + its[width + i] + SUM_OF_WINDOW(bond + width + i);
        float falling = -fabsf(x);
        bent[i] = falling < -87.0f ? -87.0f : falling;
        straight[i] = x < 0.0f ? 0.0f : x;
    }
    for (int64_t i = 0; i < size; i++) {
        soft[i] = straight[i] + logarithm(exponential(bent[i]));
        open[i] = 1.0f / (1.0f + exponential(steep[i]));
    }
}

/* The sums of each atom's edges; with gates and cores, the factors of each edge are kept there. */
FOR_EACH_PROCESSOR static void sum_gated(
    float *ALIAS_FREE out, float *gates, float *cores, const float *weight, const float *center, const float *neighbor,
    const float *window, const int64_t *firsts, const int64_t *starts, const int64_t *neighbors, const float *counts,
    int64_t from, int64_t until, int64_t end, int64_t width)
{
    float open[BLOCK], soft[BLOCK];
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
                const float *mine = center + atom * row + first, *its = neighbor + neighbors[edge] * row + first;
                const float *bond = weight + firsts[edge] * row + first;
                factors(open, soft, mine, its, bond, g, size, width);
                for (int64_t i = 0; i < size; i++)
                    sum[first + i] += count * soft[i] * open[i];
                if (gates != NULL) {
                    memcpy(gates + edge * width + first, open, size * sizeof(float));
                    memcpy(cores + edge * width + first, soft, size * sizeof(float));
                }
            }
        }
    }
}

/* The gradient of those sums, led back; without gates and cores, the factors of each edge are computed anew. */
FOR_EACH_PROCESSOR static void trace_gated(
    float *to_weight, float *to_center, float *to_neighbor, const float *gradient, const float *gates,
    const float *cores, const float *weight, const float *center, const float *neighbor, const float *window,
    const int64_t *firsts, const int64_t *starts, const int64_t *neighbors, const float *counts, int64_t from,
    int64_t until, int64_t end, int64_t width)
{
    float open[BLOCK], soft[BLOCK], bent[BLOCK], of_gate[BLOCK], of_core[BLOCK];
    int64_t row = 2 * width;
    for (int64_t i = from * row; i < until * row; i++)
        to_center[i] = to_neighbor[i] = 0.0f;
    for (int64_t atom = from; atom < until; atom++) {
        int64_t stop = atom + 1 < until ? starts[atom + 1] : end;
        for (int64_t edge = starts[atom]; edge < stop; edge++) {
            const float *g = window + edge * WINDOW;
            float count = counts[edge];
            for (int64_t first = 0; first < width; first += BLOCK) {
                int64_t size = width - first < BLOCK ? width - first : BLOCK, here = atom * row + first;
                int64_t there = neighbors[edge] * row + first, apart = firsts[edge] * row + first;
                const float *mine = center + here, *its = neighbor + there, *bond = weight + apart;
                const float *up = gradient + atom * width + first;
                float *to_mine = to_center + here, *to_its = to_neighbor + there, *to_bond = to_weight + apart;
                if (gates == NULL) {
                    factors(open, soft, mine, its, bond, g, size, width);
                } else {
                    memcpy(open, gates + edge * width + first, size * sizeof(float));
                    memcpy(soft, cores + edge * width + first, size * sizeof(float));
                }
                for (int64_t i = 0; i < size; i++)
                    bent[i] = soft[i] > 87.0f ? -87.0f : -soft[i];
                for (int64_t i = 0; i < size; i++) {  /* the softplus has the slope 1 - e^-softplus */
                    float common = up[i] * count * open[i];
                    of_gate[i] = common * soft[i] * (1.0f - open[i]);
                    of_core[i] = common * (1.0f - exponential(bent[i]));
                }
                AS_VECTORS
                for (int64_t i = 0; i < size; i++) {
                    to_mine[i] += of_gate[i];
                    to_mine[width + i] += of_core[i];
                }
                AS_VECTORS
                for (int64_t i = 0; i < size; i++) {
                    to_its[i] += of_gate[i];
                    to_its[width + i] += of_core[i];
                }
                for (int64_t k = 0; k < WINDOW; k++, to_bond += row) {
                    float of_this = g[k];
                    AS_VECTORS
                    for (int64_t i = 0; i < size; i++) {
                        to_bond[i] += of_this * of_gate[i];
                        to_bond[width + i] += of_this * of_core[i];
                    }
                }
            }
        }
    }
}

/* Sums over the atoms at the other ends of edges, whichever end is asked for. */
FOR_EACH_PROCESSOR static void sum_ends(
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
