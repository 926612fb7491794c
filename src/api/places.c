/* places.c -- where the content of a trace lies: here, in the external store, or nowhere any more.
 *
 * For operators: it says no word of the content, and names of objects only to an admin.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "base/text.h"

static void add_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    if (text[0])
        buf_add_json_str(out, str_from_c(text));
    else
        buf_add_c(out, "null");
}

static const char *place_name(const struct content_location *place)
{
    if (place->is_here)
        return place->is_external ? "both" : "here";
    return place->is_external ? "external" : "gone";
}

static void add_frame(struct buf *out, struct content_store *content,
                      const struct trace_content *frame)
{
    struct content_location place;
    const struct content_pointer pointer = { frame->segment, frame->offset, frame->len };
    bool is_preview = frame->segment & CONTENT_SEGMENT_PREVIEW;
    content_locate(content, pointer, &place);
    buf_printf(
        out, "{\"kind\":\"%s\",\"place\":\"%s\",\"segment\":%llu,\"offset\":%u,\"length\":%u",
        is_preview ? "previews" : "content", place_name(&place),
        (unsigned long long)(frame->segment & ~CONTENT_SEGMENT_PREVIEW), frame->offset, frame->len);
    add_text(out, "object", place.object);
    add_text(out, "index", place.index);
    buf_add_char(out, '}');
}

API_HANDLER(api_get_content_places)
{
    struct trace_row *trace;
    enum err err = api_find_trace(job, job->params[0], &trace, reterr_why);
    if (err)
        return err;
    const struct api_config *config = &job->worker->api->config;
    char id[33];
    hex_encode(trace->trace_id.bytes, sizeof trace->trace_id.bytes, id);
    buf_printf(&job->body, "{\"trace_id\":\"%s\",\"settled\":%s", id,
               trace->settled ? "true" : "false");
    add_text(&job->body, "external_url", config->content_url ? config->content_url : "");
    buf_add_c(&job->body, ",\"frames\":[");
    for (uint32_t i = 0; i < trace->content_count; i++) {
        buf_add_c(&job->body, i ? "," : "");
        add_frame(&job->body, config->content, &trace->content[i]);
    }
    buf_add_c(&job->body, "]}\n");
    return ERR_OK;
}
