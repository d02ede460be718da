/* Exponential and logarithm as polynomials, accurate to the last digit or two of single precision, which the compiler can
   evaluate for 4, 8 or 16 features at once, as the processor allows. */

#ifndef ZOO_POLYNOMIALS
#define ZOO_POLYNOMIALS

#include <math.h>
#include <stdint.h>

#define BLOCK 64  /* features at once */

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2,fma", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define AS_VECTORS _Pragma("GCC ivdep")
#else
#define AS_VECTORS
#endif

#if defined(_MSC_VER)
#define ALIAS_FREE __restrict
#define ALWAYS_INLINE __forceinline
#else
#define ALIAS_FREE __restrict__
#define ALWAYS_INLINE inline __attribute__((always_inline))
#endif

/* e^x for |x| <= 87, which single precision can hold. */
static inline float exponential(float x)
{
    union { float number; int32_t bits; } whole, power;
    float rest, nearest, square;
    whole.number = x * 1.44269504f + 12582912.0f;  /* 1.5 * 2^23: the nearest whole number is in the last bits */
    nearest = whole.number - 12582912.0f;
    rest = x - nearest * 0.693359375f + nearest * 2.12194440e-4f;  /* log 2 in two parts; |rest| <= log(2) / 2 */
    power.bits = (int32_t)(((uint32_t)whole.bits << 23) + 0x3F800000u);
    square = rest * rest;  /* in pairs, so that no product waits for another */
    return power.number
        * ((1.0f + rest) + square * ((1.0f / 2 + rest * (1.0f / 6))
        + square * ((1.0f / 24 + rest * (1.0f / 120)) + square * (1.0f / 720))));
}

/* log(1 + u) for 0 <= u <= 1: u times the interpolation of log(1 + u) / u in nine Chebyshev points. */
static inline float logarithm(float u)
{
    float square = u * u, fourth = square * square;
    return u * (((0.99999994f + u * -0.499994457f) + square * (0.333181202f + u * -0.248353988f))
        + fourth * (((0.190768808f + u * -0.136022478f) + square * (0.0775160864f + u * -0.0290740654f))
        + fourth * 0.0051261019f));
}

#endif
