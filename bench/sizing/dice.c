/* SPDX-License-Identifier: MIT
 *
 * Random numbers that are the same on every machine (splitmix64). */
#include <math.h>

#include "bench/sizing/sizing.h"

uint64_t dice_next(struct dice *dice)
{
    uint64_t mixed = (dice->state += 0x9e3779b97f4a7c15u);

    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

double dice_unit(struct dice *dice)
{
    return ((double)(dice_next(dice) >> 11) + 0.5) / 9007199254740992.0;
}

double dice_normal(struct dice *dice)
{
    return sqrt(-2 * log(dice_unit(dice))) * cos(2 * M_PI * dice_unit(dice));
}

/* Marsaglia and Tsang, for shapes of at least 1; mean 1. */
double dice_gamma(struct dice *dice, double shape)
{
    double third = shape - 1.0 / 3, scale = 1 / sqrt(9 * third);

    for (;;) {
        double normal = dice_normal(dice), cube = pow(1 + scale * normal, 3);
        if (cube > 0 && log(dice_unit(dice)) < normal * normal / 2 + third * (1 - cube + log(cube)))
            return third * cube / shape;
    }
}

unsigned dice_poisson(struct dice *dice, double mean)
{
    unsigned count = 0;

    for (; mean > 50; mean -= 50) /* the sum of Poisson numbers is one */
        count += dice_poisson(dice, 50);
    double term = exp(-mean), sum = term, unit = dice_unit(dice);
    for (unsigned i = 1; unit > sum && i < 1000; i++) {
        term *= mean / i;
        sum += term;
        count++;
    }
    return count;
}
