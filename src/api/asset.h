/* asset.h -- files of the web UI, as tools/gen_assets.py embeds them.
 *
 * Memory:  const data.
 * Threads: any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct asset {
    const char *path; /* "/index.html" */
    const char *content_type;
    const uint8_t *bytes;
    size_t len;
};
extern const struct asset asset_table[];
extern const size_t asset_count;
