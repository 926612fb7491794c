/* base.h -- the macros that every file of this project may use.
 *
 * Nothing here allocates, logs or knows the product.  The allowed GNU
 * extensions (STYLE.md, section 1) are spelled only through these macros.
 *
 * Memory:  none.
 * Threads: none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
/* A local of type `struct x` (or pointer) closed at scope end by x_cleanup(). */
#define CLEANUP(type) __attribute__((cleanup(type##_cleanup)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

/* Overflow-checked arithmetic: true when the result did not fit. */
#define ADD_OVERFLOWS(a, b, ret) __builtin_add_overflow((a), (b), (ret))
#define MUL_OVERFLOWS(a, b, ret) __builtin_mul_overflow((a), (b), (ret))
