/* langsmith.c -- bodies into runs; see langsmith.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "wire/langsmith_int.h"
#include "wire/multipart.h"
#include <stdlib.h>

enum { RUN_PARTS_MAX = 32 }; /* parts of a multipart body per item allowed */

/* ---- members ---- */

bool langsmith_members(struct langsmith *langsmith, str object, struct native_attrs *members)
{
    struct json json;
    json_init(&json, NULL, object, JSON_DEPTH_MAX); /* keys have no escapes */
    if (json_next(&json) != JSON_OBJECT)
        return false;
    enum json_token token;
    while ((token = json_next(&json)) == JSON_KEY) {
        str key = json.text, raw;
        if (!json_raw(&json, json_next(&json), &raw))
            break;
        if (!native_attr_add(langsmith->arena, members, key, value_str(raw))) {
            langsmith->is_spent = true;
            return false;
        }
    }
    return token == JSON_OBJECT_END && json_next(&json) == JSON_END;
}

str langsmith_member(const struct native_attrs *members, const char *key)
{
    const struct attr *attr = attr_find(members->items, members->count, str_from_c(key));
    return !attr || str_equal_c(attr->value.text, "null") ? STR_NONE : attr->value.text;
}

str langsmith_text(struct langsmith *langsmith, const struct native_attrs *members, const char *key)
{
    str raw = langsmith_member(members, key);
    struct json json;
    if (str_is_none(raw))
        return STR_NONE;
    json_init(&json, langsmith->arena, raw, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    return token == JSON_STRING || token == JSON_NUMBER ? json.text : STR_NONE;
}

struct value langsmith_value(struct langsmith *langsmith, str raw)
{
    struct json json;
    struct value value;
    if (str_is_none(raw))
        return (struct value){ .type = VALUE_NULL };
    json_init(&json, langsmith->arena, raw, JSON_DEPTH_MAX);
    if (json_value(&json, json_next(&json), &value))
        return value;
    langsmith->is_spent = langsmith->is_spent || json_error(&json, NULL) == ERR_LIMIT;
    return value_str(raw);
}

/* Seconds, milliseconds, microseconds or nanoseconds since 1970, told by their size. */
static uint64_t number_time(const struct value *value)
{
    static const int64_t per_unit[] = { NS_PER_S, NS_PER_MS, NS_PER_US, 1 };
    double number;
    int64_t whole;
    if (!value_as_f64(value, &number) || !(number > 0))
        return 0;
    size_t scale = 0;
    for (double top = 1e11; scale < COUNT_OF(per_unit) - 1 && number >= top; top *= 1e3)
        scale++;
    if (value->type == VALUE_I64 && !MUL_OVERFLOWS(value->i64, per_unit[scale], &whole))
        return (uint64_t)whole;
    number *= (double)per_unit[scale];
    return number < 9.2e18 ? (uint64_t)number : 0;
}

uint64_t langsmith_time(struct langsmith *langsmith, str raw)
{
    struct value value = langsmith_value(langsmith, raw);
    int64_t time_ns;
    if (value.type == VALUE_I64 || value.type == VALUE_F64)
        return number_time(&value);
    if (value.type != VALUE_STR)
        return 0;
    str zoned = arena_printf(langsmith->arena, "%.*sZ", STR_ARG(str_sub(value.text, 0, 64)));
    bool is_time =
        time_parse(value.text, &time_ns) || (!str_is_none(zoned) && time_parse(zoned, &time_ns));
    return is_time && time_ns > 0 ? (uint64_t)time_ns : 0;
}

/* ---- one item ---- */

static bool has_room(const struct langsmith *langsmith)
{
    return langsmith->items.span_count + langsmith->items.score_count +
               langsmith->batch->rejected_count <
           langsmith->limits->items_max;
}

static void take_run(struct langsmith *langsmith, const struct langsmith_run *run, uint32_t place)
{
    const char *why = "";
    if (langsmith_span(langsmith, run, &why))
        return;
    native_reject(langsmith->batch, "%s %u (%.*s): %s", run->is_patch ? "patch" : "post", place,
                  STR_ARG(str_sub(run->id, 0, 40)), why);
}

static void take_object(struct langsmith *langsmith, str object, bool is_patch, uint32_t place)
{
    struct langsmith_run run = { .is_patch = is_patch, .id = STR_NONE };
    if (langsmith_members(langsmith, object, &run.members)) {
        str id = langsmith_text(langsmith, &run.members, "id");
        run.id = str_is_none(id) ? STR_OF("") : id;
        take_run(langsmith, &run, place);
    } else {
        native_reject(langsmith->batch, "%s %u: it is not an object", is_patch ? "patch" : "post",
                      place);
    }
}

static void take_feedback(struct langsmith *langsmith, str object, str patched, uint32_t place)
{
    const char *why = "";
    if (langsmith_score(langsmith, object, patched, &why))
        return;
    langsmith->batch->rejected_scores++;
    native_reject(langsmith->batch, "feedback %u: %s", place, why);
}

/* ---- JSON bodies ---- */

static enum err take_list(struct langsmith *langsmith, struct json *json, bool is_patch)
{
    enum json_token token = json_next(json);
    if (token == JSON_NULL)
        return ERR_OK;
    if (token != JSON_ARRAY)
        return ERR_BAD_INPUT;
    str raw;
    uint32_t place = 0;
    while ((token = json_next(json)) != JSON_ARRAY_END) {
        if (!has_room(langsmith))
            return ERR_LIMIT;
        if (!json_raw(json, token, &raw))
            return ERR_BAD_INPUT;
        take_object(langsmith, raw, is_patch, ++place);
    }
    return ERR_OK;
}

static enum err take_batch(struct langsmith *langsmith, str body, struct diag *reterr_why)
{
    struct json json;
    str raw;
    enum json_token token;
    json_init(&json, NULL, body, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT)
        return diag_set(reterr_why, ERR_BAD_INPUT, "a batch is an object of post and patch");
    while ((token = json_next(&json)) == JSON_KEY) {
        bool is_patch = str_equal_c(json.text, "patch");
        if (!is_patch && !str_equal_c(json.text, "post")) {
            if (!json_raw(&json, json_next(&json), &raw))
                return json_error(&json, reterr_why);
            continue;
        }
        enum err err = take_list(langsmith, &json, is_patch);
        if (err == ERR_LIMIT)
            return diag_set(reterr_why, ERR_LIMIT, "more than %u runs",
                            langsmith->limits->items_max);
        if (err && json_next(&json) != JSON_ERROR)
            return diag_set(reterr_why, ERR_BAD_INPUT, "%s must be a list",
                            is_patch ? "patch" : "post");
        if (err)
            return json_error(&json, reterr_why);
    }
    return token == JSON_OBJECT_END && json_next(&json) == JSON_END ? ERR_OK
                                                                    : json_error(&json, reterr_why);
}

static enum err check_document(str body, struct diag *reterr_why)
{
    struct json json;
    json_init(&json, NULL, body, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    bool is_good = token != JSON_END && json_skip(&json, token) && json_next(&json) == JSON_END;
    return is_good ? ERR_OK : json_error(&json, reterr_why);
}

/* A run or a feedback alone. */
static enum err take_one(struct langsmith *langsmith, const struct langsmith_input *input,
                         struct diag *reterr_why)
{
    struct langsmith_run run = { .is_patch = input->kind == LANGSMITH_RUN_PATCH };
    enum err err = check_document(input->body, reterr_why);
    if (err)
        return err;
    if (input->kind == LANGSMITH_FEEDBACK || input->kind == LANGSMITH_FEEDBACK_PATCH) {
        bool is_patch = input->kind == LANGSMITH_FEEDBACK_PATCH;
        take_feedback(langsmith, input->body, is_patch ? input->id : STR_NONE, 1);
        return ERR_OK;
    }
    if (input->kind == LANGSMITH_RUN) {
        take_object(langsmith, input->body, false, 1);
        return ERR_OK;
    }
    run.id = input->id;
    if (langsmith_members(langsmith, input->body, &run.members))
        take_run(langsmith, &run, 1);
    else
        native_reject(langsmith->batch, "the run is not an object");
    return ERR_OK;
}

/* ---- multipart bodies ---- */

enum part_kind { PART_POST, PART_PATCH, PART_ATTACHMENT, PART_FEEDBACK, PART_OTHER };
struct run_part {
    enum part_kind kind;
    str id, member; /* member: of the run, or the attachment's name; none: the run itself */
    str type, bytes;
    uint32_t place;
};

static enum part_kind kind_of(str word)
{
    static const str words[] = { STR("post"), STR("patch"), STR("attachment"), STR("feedback") };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_equal(word, words[i]))
            return (enum part_kind)i;
    return PART_OTHER;
}

static struct run_part part_of(const struct multipart_part *from, uint32_t place)
{
    struct run_part part = { .type = from->type, .bytes = from->bytes, .place = place };
    str rest = from->name, word = STR_NONE;
    part.kind = !str_is_none(rest) && str_next(&rest, '.', &word) ? kind_of(word) : PART_OTHER;
    part.id = part.member = STR_NONE;
    if (!str_is_none(rest) && str_next(&rest, '.', &part.id) && !str_is_none(rest))
        part.member = rest;
    return part;
}

/* Parts of one run stand together, its posts first, in the order they came; attachments and
 * patches of a run that has both go to the patch or the post alike. */
static int by_run(const void *a, const void *b)
{
    const struct run_part *left = a, *right = b;
    int order = str_cmp(left->id, right->id);
    if (!order)
        order = (int)left->kind - (int)right->kind;
    if (!order)
        order = left->place < right->place ? -1 : left->place > right->place;
    return order;
}

static bool attachment_add(struct langsmith *langsmith, struct langsmith_run *run,
                           const struct run_part *part)
{
    struct native_attrs about = { 0 };
    str type = part->type;
    str mime;
    if (str_is_none(type) || !str_next(&type, ';', &mime))
        mime = STR_OF("application/octet-stream");
    return native_text_add(langsmith->arena, &about, STR_OF("mime_type"), str_trim(mime)) &&
           native_attr_add(langsmith->arena, &about, STR_OF("bytes"),
                           value_i64((int64_t)part->bytes.len)) &&
           native_attr_add(
               langsmith->arena, &run->attachments, part->member,
               (struct value){ .type = VALUE_MAP, .count = about.count, .attrs = about.items });
}

static bool part_add(struct langsmith *langsmith, struct langsmith_run *run,
                     const struct run_part *part, const char **ret_why)
{
    *ret_why = "no room for it";
    if (part->kind == PART_ATTACHMENT)
        return attachment_add(langsmith, run, part);
    *ret_why = str_is_none(part->member) ? "it is not an object" : "a member of it is not JSON";
    if (str_is_none(part->member))
        return langsmith_members(langsmith, part->bytes, &run->members);
    return check_document(part->bytes, NULL) == ERR_OK &&
           native_attr_add(langsmith->arena, &run->members, part->member, value_str(part->bytes));
}

/* parts[0..count) of one run: one post and one patch at most are told apart. */
static void take_parts(struct langsmith *langsmith, const struct run_part *parts, size_t count)
{
    struct langsmith_run runs[2] = { { .is_patch = false }, { .is_patch = true } };
    const char *why[2] = { NULL, NULL }, *fault;
    uint32_t places[2] = { 0, 0 };
    for (size_t i = 0; i < count; i++) {
        bool is_patch =
            parts[i].kind == PART_PATCH || (parts[i].kind == PART_ATTACHMENT && !places[0]);
        runs[is_patch].id = parts[i].id;
        places[is_patch] = places[is_patch] ? places[is_patch] : parts[i].place;
        if (!part_add(langsmith, &runs[is_patch], &parts[i], &fault) && !why[is_patch])
            why[is_patch] = fault;
    }
    for (int i = 0; i < 2; i++) {
        if (!places[i])
            continue;
        if (why[i])
            native_reject(langsmith->batch, "part %u (%.*s): %s", places[i],
                          STR_ARG(str_sub(runs[i].id, 0, 40)), why[i]);
        else
            take_run(langsmith, &runs[i], places[i]);
    }
}

static enum err parts_read(struct langsmith *langsmith, const struct langsmith_input *input,
                           struct run_part **ret_parts, size_t *ret_count, struct diag *reterr_why)
{
    struct multipart multipart;
    struct multipart_part part;
    str boundary;
    enum err err = multipart_boundary(input->content_type, &boundary, reterr_why);
    if (err)
        return err;
    uint64_t max = (uint64_t)langsmith->limits->items_max * RUN_PARTS_MAX;
    size_t count = 0, capacity = 0;
    struct run_part *parts = NULL;
    multipart_init(&multipart, input->body, boundary);
    while ((err = multipart_next(&multipart, &part, reterr_why)) == ERR_OK) {
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            struct run_part *more =
                count < max ? arena_new(langsmith->arena, struct run_part, capacity) : NULL;
            if (!more)
                return diag_set(reterr_why, ERR_LIMIT, "no room for more than %zu parts", count);
            if (count)
                memcpy(more, parts, count * sizeof *parts);
            parts = more;
        }
        parts[count] = part_of(&part, (uint32_t)count + 1);
        count++;
    }
    *ret_parts = parts;
    *ret_count = count;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err take_multipart(struct langsmith *langsmith, const struct langsmith_input *input,
                               struct diag *reterr_why)
{
    struct run_part *parts = NULL;
    size_t count = 0;
    enum err err = parts_read(langsmith, input, &parts, &count, reterr_why);
    if (err)
        return err;
    if (count)
        qsort(parts, count, sizeof *parts, by_run);
    for (size_t i = 0, end; i < count; i = end) {
        end = i + 1;
        if (!has_room(langsmith))
            return diag_set(reterr_why, ERR_LIMIT, "more than %u runs",
                            langsmith->limits->items_max);
        if (parts[i].kind == PART_FEEDBACK) {
            take_feedback(langsmith, parts[i].bytes, STR_NONE, parts[i].place);
            continue;
        }
        if (parts[i].kind == PART_OTHER || str_is_empty(parts[i].id)) {
            native_reject(langsmith->batch, "part %u: its name says nothing", parts[i].place);
            continue;
        }
        while (end < count && parts[end].kind < PART_FEEDBACK &&
               str_equal(parts[end].id, parts[i].id))
            end++;
        take_parts(langsmith, &parts[i], end - i);
    }
    return ERR_OK;
}

enum err langsmith_decode(struct arena *arena, const struct langsmith_input *input,
                          struct raw_batch *ret_batch, struct diag *reterr_why)
{
    static const struct raw_resource resource;
    static const struct raw_scope scope = { .resource = &resource, .name = STR("langsmith") };
    *ret_batch = (struct raw_batch){ 0 };
    struct langsmith langsmith = { .arena = arena,
                                   .limits = input->limits ? input->limits : &otlp_limits_default,
                                   .batch = ret_batch,
                                   .scope = &scope };
    enum err err =
        input->kind == LANGSMITH_MULTIPART ? take_multipart(&langsmith, input, reterr_why)
        : input->kind == LANGSMITH_BATCH   ? take_batch(&langsmith, input->body, reterr_why)
                                           : take_one(&langsmith, input, reterr_why);
    if (langsmith.is_spent)
        return diag_set(reterr_why, ERR_LIMIT, "the runs need too much memory");
    if (err)
        return err;
    native_give(&langsmith.items, ret_batch);
    if (ret_batch->rejected_count && !ret_batch->span_count && !ret_batch->score_count)
        return diag_set(reterr_why, ERR_BAD_INPUT, "%s", ret_batch->rejected_why);
    return ERR_OK;
}
