/* objects.c -- chooses the kind of object store by the scheme of its URL, and holds answers to
 * what was asked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "content/objects_int.h"
#include <stdio.h>

static const struct objects_ops *const kinds[] = { &objects_s3, &objects_file };

struct objects {
    const struct objects_ops *ops;
    void *state;
};

/* Counts what a range brings. */
struct gauge {
    const struct object_sink *sink;
    uint64_t bytes, bytes_max;
    bool is_too_long;
};

enum err objects_open(const struct objects_config *config, struct objects **ret_objects,
                      struct diag *reterr_why)
{
    str url = str_from_c(config->url);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (!str_starts(url, str_from_c(kinds[i]->scheme)))
            continue;
        void *state;
        enum err err = kinds[i]->open(config, &state, reterr_why);
        if (err)
            return err;
        *ret_objects = xcalloc(1, sizeof **ret_objects);
        **ret_objects = (struct objects){ kinds[i], state };
        return ERR_OK;
    }
    diag_set(reterr_why, ERR_BAD_INPUT, "content.external_url=%.80s is of no kind that is known",
             config->url);
    diag_hint(reterr_why, "s3://BUCKET/PREFIX or file:///PATH");
    return ERR_BAD_INPUT;
}

void objects_close(struct objects *objects)
{
    if (!objects)
        return;
    objects->ops->close(objects->state);
    xfree(objects);
}

enum err objects_put(struct objects *objects, const char *name, const struct object_body *body,
                     struct diag *reterr_why)
{
    assert(body->bytes > 0);
    return objects->ops->put(objects->state, name, body, reterr_why);
}

static bool on_piece(void *arg, str bytes)
{
    struct gauge *gauge = arg;
    gauge->bytes += bytes.len;
    gauge->is_too_long = gauge->bytes > gauge->bytes_max;
    return !gauge->is_too_long && gauge->sink->piece(gauge->sink->arg, bytes);
}

enum err objects_get(struct objects *objects, const char *name, struct object_range range,
                     struct object_sink sink, struct diag *reterr_why)
{
    struct gauge gauge = { .sink = &sink, .bytes_max = range.bytes ? range.bytes : UINT64_MAX };
    const struct object_sink counted = { on_piece, &gauge };
    enum err err = objects->ops->get(objects->state, name, range, &counted, reterr_why);
    if (err)
        return err;
    if (gauge.is_too_long)
        return diag_set(reterr_why, ERR_UNAVAILABLE, "the object store does not answer ranges");
    if (range.bytes && gauge.bytes < range.bytes)
        return diag_set(reterr_why, ERR_CORRUPT, "the object %s ends too early", name);
    return ERR_OK;
}

enum err objects_remove(struct objects *objects, const char *name, struct diag *reterr_why)
{
    return objects->ops->remove(objects->state, name, reterr_why);
}
