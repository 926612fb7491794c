/* fuzz_tokens.c -- any bytes as text: counted, every token found again, none left out.
 *
 * The first byte chooses the encoding.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "tokens/tokens.h"

enum { RANKS_MAX = 8192, BYTES_OF_TOKEN_MAX = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokens *tokens; /* unpacking takes longer than a run */
    static uint32_t ranks[RANKS_MAX];
    if (size < 1 || size > RANKS_MAX)
        return 0;
    if (!tokens)
        tokens = tokens_new();
    enum tokens_encoding encoding = data[0] % 2 ? TOKENS_O200K : TOKENS_CL100K;
    str text = str_make((const char *)data + 1, size - 1);
    uint64_t count = tokens_encode(tokens, encoding, text, ranks, RANKS_MAX);
    assert(count <= text.len && count * BYTES_OF_TOKEN_MAX >= text.len);
    assert(count == tokens_count(tokens, encoding, text));
    for (uint64_t i = 0; i < count; i++)
        assert(ranks[i] < 200000);
    return 0;
}
