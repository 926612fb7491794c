/* nearest.c -- edit distance with three rows of a table that fits the stack.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conf/nearest.h"
#include "base/check.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same(str a, size_t i, str b, size_t j)
{
    return lower(a.ptr[i]) == lower(b.ptr[j]);
}

/* One row of the table: distances from a[0..i) to every prefix of b. */
static size_t row_fill(str a, str b, size_t i, size_t (*rows)[NEAREST_TEXT_MAX + 1])
{
    size_t *now = rows[i % 3];
    const size_t *before = rows[(i + 2) % 3];
    const size_t *before2 = rows[(i + 1) % 3];
    size_t least = now[0] = i;
    for (size_t j = 1; j <= b.len; j++) {
        size_t best = MIN(before[j], now[j - 1]) + 1;
        best = MIN(best, before[j - 1] + !same(a, i - 1, b, j - 1));
        if (i > 1 && j > 1 && same(a, i - 1, b, j - 2) && same(a, i - 2, b, j - 1))
            best = MIN(best, before2[j - 2] + 1);
        now[j] = best;
        least = MIN(least, best);
    }
    return least;
}

size_t nearest_distance(str a, str b, size_t limit)
{
    if (a.len > NEAREST_TEXT_MAX || b.len > NEAREST_TEXT_MAX)
        return limit + 1;
    size_t rows[3][NEAREST_TEXT_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        /* A swap can reach two rows back, so only a margin of one is certain. */
        if (row_fill(a, b, i, rows) > limit + 1)
            return limit + 1;
    }
    return MIN(rows[a.len % 3][b.len], limit + 1);
}

void nearest_init(struct nearest *nearest, str word)
{
    assert(nearest);
    size_t limit = MAX(word.len / 3, (size_t)1);
    *nearest = (struct nearest){ .word = word, .best = STR_NONE, .best_distance = limit + 1 };
}

void nearest_consider(struct nearest *nearest, str candidate)
{
    assert(nearest->best_distance > 0 || !str_is_none(nearest->best));
    if (nearest->best_distance == 0)
        return;
    size_t distance = nearest_distance(nearest->word, candidate, nearest->best_distance - 1);
    if (distance < nearest->best_distance) {
        nearest->best = candidate;
        nearest->best_distance = distance;
    }
}

str nearest_best(const struct nearest *nearest)
{
    return nearest->best;
}
