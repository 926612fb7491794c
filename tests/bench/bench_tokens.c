/* bench_tokens.c -- how fast texts are counted, and what unpacking a vocabulary costs.
 *
 * usage: bench_tokens FILE...      texts, all in one
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"
#include "tokens/tokens.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 20 };
static char text[64 * MIB];

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "cl100k_base", "o200k_base" };
    size_t len = 0;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file)
            return fprintf(stderr, "cannot open %s\n", argv[i]), 1;
        len += fread(text + len, 1, sizeof text - len, file);
        fclose(file);
    }
    struct tokens *tokens = tokens_new();
    for (int encoding = 0; encoding < TOKENS_ENCODINGS && len; encoding++) {
        double start = now_s(), best = 1e9;
        (void)tokens_count(tokens, (enum tokens_encoding)encoding, STR_OF("a"));
        double unpacked = now_s() - start;
        uint64_t count = 0;
        for (int i = 0; i < ROUNDS; i++) {
            start = now_s();
            count = tokens_count(tokens, (enum tokens_encoding)encoding, str_make(text, len));
            double each = now_s() - start;
            best = each < best ? each : best;
        }
        printf("%-12s %8.1f MB/s, %zu bytes, %llu tokens, unpacked in %.1f ms\n", names[encoding],
               (double)len / best / 1e6, len, (unsigned long long)count, unpacked * 1e3);
    }
    tokens_free(tokens);
    return 0;
}
