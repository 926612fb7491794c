/* significance.h -- could a difference of two groups be chance?
 *
 * Samples are taken as independent.  Fewer than SAMPLE_MIN of either side are not tested.
 *
 * Memory:  none.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { SAMPLE_MIN = 30 };

struct sample {
    double count, mean, variance; /* of a share: how many, the share; no variance */
};
struct comparison {
    double difference; /* b - a */
    bool is_tested;
    double p, low, high; /* two-sided; the difference with 95 % */
    bool is_shown;       /* by compare_holm: it is none of chance, 5 % for all together */
};
void compare_means(const struct sample *a, const struct sample *b, struct comparison *ret);
void compare_shares(const struct sample *a, const struct sample *b, struct comparison *ret);
void compare_holm(struct comparison *comparisons, size_t count);
/* The chance of a Student's t as far from 0 as this one. */
double student_two_sided(double t, double freedom);
