/* test_batch.c -- the binary form of a batch: what goes in comes out, and damage is an error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "model/record.h"

enum { ENCODED_MAX = 16 * 1024 * 1024 };

/* ---- random batches ---- */

static str random_str_of(struct dice *dice, struct arena *arena, size_t len)
{
    char *text = arena_alloc(arena, len);
    dice_fill(dice, text, len);
    return str_make(text, len);
}

static str random_str(struct dice *dice, struct arena *arena)
{
    return random_str_of(dice, arena,
                         dice_roll(dice, 10) ? dice_roll(dice, 12) : dice_roll(dice, 300));
}

static struct attr *random_attrs(struct dice *dice, struct arena *arena, uint32_t *ret_count,
                                 int depth);

static struct value random_value(struct dice *dice, struct arena *arena, int depth)
{
    struct value value = { .type = (enum value_type)dice_roll(dice, depth ? 8 : 6) };
    if (value.type == VALUE_STR || value.type == VALUE_BYTES)
        value.text = random_str(dice, arena);
    else if (value.type == VALUE_BOOL)
        value.boolean = dice_roll(dice, 2);
    else if (value.type == VALUE_I64 || value.type == VALUE_F64)
        value.i64 = dice_i64(dice); /* any bits, NaN among them */
    else if (value.type == VALUE_MAP)
        value.attrs = random_attrs(dice, arena, &value.count, depth - 1);
    else if (value.type == VALUE_ARRAY) {
        value.count = dice_roll(dice, 4);
        value.items = arena_new(arena, struct value, value.count);
        for (uint32_t i = 0; i < value.count; i++)
            value.items[i] = random_value(dice, arena, depth - 1);
    }
    return value;
}

static struct attr *random_attrs(struct dice *dice, struct arena *arena, uint32_t *ret_count,
                                 int depth)
{
    *ret_count = dice_roll(dice, 4);
    struct attr *attrs = arena_new(arena, struct attr, *ret_count);
    for (uint32_t i = 0; i < *ret_count; i++)
        attrs[i] = (struct attr){ random_str(dice, arena), random_value(dice, arena, depth) };
    return attrs;
}

static void random_list(struct dice *dice, struct arena *arena, void *field, bool is_f64)
{
    uint32_t count = dice_roll(dice, 4);
    str *texts = arena_new(arena, str, count);
    double *numbers = arena_new(arena, double, count);
    for (uint32_t i = 0; i < count; i++) {
        texts[i] = random_str(dice, arena);
        numbers[i] = (double)dice_i64(dice) / 7;
    }
    if (is_f64)
        *(struct f64s *)field = (struct f64s){ numbers, count };
    else
        *(struct strs *)field = (struct strs){ texts, count };
}

static void random_field(struct dice *dice, struct arena *arena, struct span *span, enum field at)
{
    void *field = span_field(span, at);
    span_mark(span, at);
    switch (field_table[at].type) {
    case FIELD_TYPE_ID16:
        dice_fill(dice, field, 16);
        break;
    case FIELD_TYPE_ID8:
        dice_fill(dice, field, 8);
        break;
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        *(str *)field = random_str(dice, arena);
        break;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
    case FIELD_TYPE_F64:
        *(int64_t *)field = dice_i64(dice);
        break;
    case FIELD_TYPE_BOOL:
        *(bool *)field = dice_roll(dice, 2);
        break;
    case FIELD_TYPE_STRS:
    case FIELD_TYPE_F64S:
        random_list(dice, arena, field, field_table[at].type == FIELD_TYPE_F64S);
        break;
    }
}

static void random_span(struct dice *dice, struct arena *arena, struct span *span)
{
    uint32_t one_in = 1 + dice_roll(dice, 10);
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (dice_roll(dice, one_in) == 0)
            random_field(dice, arena, span, (enum field)i);
    span->attrs = random_attrs(dice, arena, &span->attr_count, 3);
    span->dropped_attr_count = dice_roll(dice, 1u << 30);
    span->link_count = dice_roll(dice, 3);
    span->links = arena_new(arena, struct span_link, span->link_count);
    for (uint32_t i = 0; i < span->link_count; i++) {
        dice_fill(dice, &span->links[i].trace_id, 16);
        dice_fill(dice, &span->links[i].span_id, 8);
        span->links[i].attrs = random_attrs(dice, arena, &span->links[i].attr_count, 2);
    }
    uint32_t parts = dice_roll(dice, 8) ? dice_roll(dice, 4) : SPAN_PARTS_MAX;
    for (uint32_t i = 0; i < parts; i++)
        span_add_part(span, (enum content_role)dice_roll(dice, CONTENT_ROLE_COUNT),
                      dice_roll(dice, 4) ? random_str(dice, arena)
                                         : random_str_of(dice, arena, dice_roll(dice, 2100)));
    span->is_addition = dice_roll(dice, 2);
}

static void random_log(struct dice *dice, struct arena *arena, struct log_record *log)
{
    *log = (struct log_record){ .time_ns = dice_i64(dice),
                                .severity = (int32_t)dice_roll(dice, 25),
                                .severity_text = random_str(dice, arena),
                                .event_name = random_str(dice, arena),
                                .service = random_str(dice, arena),
                                .body_json = random_str(dice, arena) };
    dice_fill(dice, &log->log_id, 8);
    dice_fill(dice, &log->trace_id, 16);
    dice_fill(dice, &log->span_id, 8);
    log->attrs = random_attrs(dice, arena, &log->attr_count, 3);
}

static void random_metric(struct dice *dice, struct arena *arena, struct metric_point *point)
{
    *point = (struct metric_point){ .type = (enum metric_type)dice_roll(dice, METRIC_SUMMARY + 1),
                                    .name = random_str(dice, arena),
                                    .unit = random_str(dice, arena),
                                    .service = random_str(dice, arena),
                                    .start_ns = dice_i64(dice),
                                    .time_ns = dice_i64(dice),
                                    .is_monotonic = dice_roll(dice, 2),
                                    .temporality = (int32_t)dice_roll(dice, 3),
                                    .has_value = dice_roll(dice, 2),
                                    .value = (double)dice_i64(dice) / 3,
                                    .count = dice_u64(dice),
                                    .buckets_json = random_str(dice, arena) };
    point->attrs = random_attrs(dice, arena, &point->attr_count, 3);
}

static void random_score(struct dice *dice, struct arena *arena, struct score *score)
{
    *score = (struct score){ .has_trace_id = dice_roll(dice, 2),
                             .has_span_id = dice_roll(dice, 2),
                             .name = random_str(dice, arena),
                             .type = (enum score_type)dice_roll(dice, SCORE_LABEL + 1),
                             .has_value = dice_roll(dice, 2),
                             .value = (double)dice_i64(dice) / 3,
                             .source = (enum score_source)dice_roll(dice, SCORE_SOURCE_COUNT),
                             .time_ns = dice_i64(dice) };
    str *texts[SCORE_TEXTS];
    score_texts(score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = dice_roll(dice, 2) ? random_str(dice, arena) : STR_NONE;
    dice_fill(dice, &score->score_id, 16);
    dice_fill(dice, &score->trace_id, 16);
    dice_fill(dice, &score->span_id, 8);
    score->attrs = random_attrs(dice, arena, &score->attr_count, 3);
}

static struct batch random_batch(struct dice *dice, struct arena *arena)
{
    struct batch batch = { .project = random_str(dice, arena),
                           .received_ns = dice_i64(dice),
                           .body_hash = dice_u64(dice),
                           .span_count = dice_roll(dice, 6),
                           .log_count = dice_roll(dice, 4),
                           .metric_count = dice_roll(dice, 4),
                           .score_count = dice_roll(dice, 4) };
    batch.spans = arena_new(arena, struct span, batch.span_count);
    batch.logs = arena_new(arena, struct log_record, batch.log_count);
    batch.metrics = arena_new(arena, struct metric_point, batch.metric_count);
    batch.scores = arena_new(arena, struct score, batch.score_count);
    for (uint32_t i = 0; i < batch.span_count; i++)
        random_span(dice, arena, &batch.spans[i]);
    for (uint32_t i = 0; i < batch.log_count; i++)
        random_log(dice, arena, &batch.logs[i]);
    for (uint32_t i = 0; i < batch.metric_count; i++)
        random_metric(dice, arena, &batch.metrics[i]);
    for (uint32_t i = 0; i < batch.score_count; i++)
        random_score(dice, arena, &batch.scores[i]);
    return batch;
}

/* ---- are they the same? ---- */

static void assert_same_str(str a, str b)
{
    assert_non_null(a.ptr);
    assert_true(str_equal(a, b));
}

static void assert_same_attrs(const struct attr *a, const struct attr *b, uint32_t a_count,
                              uint32_t b_count);

static void assert_same_value(const struct value *a, const struct value *b)
{
    assert_int_equal(a->type, b->type);
    if (a->type == VALUE_STR || a->type == VALUE_BYTES)
        assert_same_str(a->text, b->text);
    else if (a->type == VALUE_BOOL)
        assert_int_equal(a->boolean, b->boolean);
    else if (a->type == VALUE_I64 || a->type == VALUE_F64)
        assert_int_equal(a->i64, b->i64);
    else if (a->type == VALUE_MAP)
        assert_same_attrs(a->attrs, b->attrs, a->count, b->count);
    else if (a->type == VALUE_ARRAY) {
        assert_int_equal(a->count, b->count);
        for (uint32_t i = 0; i < a->count; i++)
            assert_same_value(&a->items[i], &b->items[i]);
    }
}

static void assert_same_attrs(const struct attr *a, const struct attr *b, uint32_t a_count,
                              uint32_t b_count)
{
    assert_int_equal(a_count, b_count);
    for (uint32_t i = 0; i < a_count; i++) {
        assert_same_str(a[i].key, b[i].key);
        assert_same_value(&a[i].value, &b[i].value);
    }
}

static void assert_same_field(const struct span *a, const struct span *b, enum field field)
{
    static const size_t sizes[] = { [FIELD_TYPE_ID16] = 16, [FIELD_TYPE_ID8] = 8,
                                    [FIELD_TYPE_I64] = 8,   [FIELD_TYPE_F64] = 8,
                                    [FIELD_TYPE_TIME] = 8,  [FIELD_TYPE_NS] = 8,
                                    [FIELD_TYPE_NANO] = 8,  [FIELD_TYPE_BOOL] = sizeof(bool),
                                    [FIELD_TYPE_JSON] = 0 };
    const void *left = span_field_const(a, field), *right = span_field_const(b, field);
    enum field_type type = field_table[field].type;
    if (type == FIELD_TYPE_STR || type == FIELD_TYPE_JSON) {
        assert_same_str(*(const str *)left, *(const str *)right);
    } else if (type == FIELD_TYPE_STRS) {
        const struct strs *x = left, *y = right;
        assert_int_equal(x->count, y->count);
        for (uint32_t i = 0; i < x->count; i++)
            assert_same_str(x->items[i], y->items[i]);
    } else if (type == FIELD_TYPE_F64S) {
        const struct f64s *x = left, *y = right;
        assert_int_equal(x->count, y->count);
        if (x->count)
            assert_memory_equal(x->items, y->items, x->count * sizeof *x->items);
    } else {
        assert_true(sizes[type] > 0);
        assert_memory_equal(left, right, sizes[type]);
    }
}

static void assert_same_span(const struct span *a, const struct span *b)
{
    assert_memory_equal(a->known, b->known, sizeof a->known);
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (span_knows(a, (enum field)i))
            assert_same_field(a, b, (enum field)i);
    assert_same_attrs(a->attrs, b->attrs, a->attr_count, b->attr_count);
    assert_int_equal(a->dropped_attr_count, b->dropped_attr_count);
    assert_int_equal(a->link_count, b->link_count);
    for (uint32_t i = 0; i < a->link_count; i++) {
        const struct span_link *x = &a->links[i], *y = &b->links[i];
        assert_memory_equal(&x->trace_id, &y->trace_id, 16);
        assert_memory_equal(&x->span_id, &y->span_id, 8);
        assert_same_attrs(x->attrs, y->attrs, x->attr_count, y->attr_count);
    }
    assert_int_equal(a->part_count, b->part_count);
    for (uint32_t i = 0; i < a->part_count; i++) {
        assert_int_equal(a->parts[i].role, b->parts[i].role);
        assert_same_str(a->parts[i].json, b->parts[i].json);
    }
    assert_int_equal(a->is_addition, b->is_addition);
}

static void assert_same_log(const struct log_record *a, const struct log_record *b)
{
    assert_memory_equal(&a->log_id, &b->log_id, 8);
    assert_memory_equal(&a->trace_id, &b->trace_id, 16);
    assert_memory_equal(&a->span_id, &b->span_id, 8);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->severity, b->severity);
    assert_same_str(a->severity_text, b->severity_text);
    assert_same_str(a->event_name, b->event_name);
    assert_same_str(a->service, b->service);
    assert_same_str(a->body_json, b->body_json);
    assert_same_attrs(a->attrs, b->attrs, a->attr_count, b->attr_count);
}

static void assert_same_metric(const struct metric_point *a, const struct metric_point *b)
{
    assert_int_equal(a->type, b->type);
    assert_same_str(a->name, b->name);
    assert_same_str(a->unit, b->unit);
    assert_same_str(a->service, b->service);
    assert_int_equal(a->start_ns, b->start_ns);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->is_monotonic, b->is_monotonic);
    assert_int_equal(a->temporality, b->temporality);
    assert_int_equal(a->has_value, b->has_value);
    assert_memory_equal(&a->value, &b->value, sizeof a->value);
    assert_int_equal(a->count, b->count);
    assert_same_str(a->buckets_json, b->buckets_json);
    assert_same_attrs(a->attrs, b->attrs, a->attr_count, b->attr_count);
}

static void assert_same_score(struct score *a, struct score *b)
{
    str *texts[2][SCORE_TEXTS];
    score_texts(a, texts[0]);
    score_texts(b, texts[1]);
    for (size_t i = 0; i < SCORE_TEXTS; i++) {
        assert_int_equal(str_is_none(*texts[0][i]), str_is_none(*texts[1][i]));
        if (!str_is_none(*texts[0][i]))
            assert_same_str(*texts[0][i], *texts[1][i]);
    }
    assert_memory_equal(&a->score_id, &b->score_id, 16);
    assert_memory_equal(&a->trace_id, &b->trace_id, 16);
    assert_memory_equal(&a->span_id, &b->span_id, 8);
    assert_int_equal(a->has_trace_id, b->has_trace_id);
    assert_int_equal(a->has_span_id, b->has_span_id);
    assert_int_equal(a->has_value, b->has_value);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->source, b->source);
    assert_memory_equal(&a->value, &b->value, sizeof a->value);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_same_str(a->name, b->name);
    assert_same_attrs(a->attrs, b->attrs, a->attr_count, b->attr_count);
}

/* ---- properties ---- */

struct coded {
    struct arena made, read;
    struct buf bytes;
};

static void coded_init(struct coded *coded)
{
    arena_init(&coded->made, 64 * MIB);
    arena_init(&coded->read, 64 * MIB);
    buf_init(&coded->bytes, ENCODED_MAX);
}

static void coded_clear(struct coded *coded)
{
    arena_clear(&coded->made);
    arena_clear(&coded->read);
    buf_clear(&coded->bytes);
}

static struct batch encode_random(struct coded *coded, struct dice *dice)
{
    arena_reset(&coded->made);
    arena_reset(&coded->read);
    buf_reset(&coded->bytes);
    struct batch batch = random_batch(dice, &coded->made);
    batch_encode(&coded->bytes, &batch);
    assert_false(buf_failed(&coded->bytes));
    return batch;
}

static bool is_long(const struct span *span)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < span->part_count; i++)
        bytes += span->parts[i].json.len;
    return bytes > 1024;
}

static void what_goes_in_comes_out(struct dice *dice)
{
    struct coded coded;
    coded_init(&coded);
    for (int round = 0; round < 1500; round++) {
        struct batch in = encode_random(&coded, dice), out;
        str bytes = buf_str(&coded.bytes);
        struct batch_header header;
        assert_int_equal(batch_peek(bytes, &header, NULL), ERR_OK);
        assert_int_equal(batch_decode(&coded.read, bytes, &out, NULL), ERR_OK);
        assert_same_str(header.project, in.project);
        assert_same_str(out.project, in.project);
        assert_int_equal(header.received_ns, in.received_ns);
        assert_int_equal(out.body_hash, in.body_hash);
        assert_int_equal(header.span_count, in.span_count);
        assert_int_equal(out.log_count, in.log_count);
        assert_int_equal(out.metric_count, in.metric_count);
        for (uint32_t i = 0; i < in.span_count; i++) {
            struct span alone;
            assert_same_span(&in.spans[i], &out.spans[i]);
            assert_int_equal(batch_decode_span(&coded.read, bytes, i, &alone, NULL), ERR_OK);
            assert_same_span(&in.spans[i], &alone);
            assert_int_equal(batch_decode_span_lean(&coded.read, bytes, i, &alone, NULL), ERR_OK);
            assert_same_span(&in.spans[i], &alone);
            /* Of a short span all is copied. */
            for (uint32_t p = 0; p < alone.part_count && is_long(&in.spans[i]); p++)
                assert_ptr_equal(alone.parts[p].json.ptr, out.spans[i].parts[p].json.ptr);
        }
        struct batch_span_ids *ids;
        assert_int_equal(batch_peek_spans(&coded.read, bytes, &ids, NULL), ERR_OK);
        for (uint32_t i = 0; i < in.span_count; i++) {
            assert_memory_equal(&ids[i].trace_id, &out.spans[i].trace_id, sizeof(struct id16));
            assert_int_equal(ids[i].has_parent, SPAN_KNOWS(&out.spans[i], parent_span_id));
            if (SPAN_KNOWS(&out.spans[i], span_id))
                assert_memory_equal(&ids[i].span_id, &out.spans[i].span_id, sizeof ids[i].span_id);
            assert_int_equal(ids[i].is_open, span_is_open(&out.spans[i]));
        }
        for (uint32_t i = 0; i < in.log_count; i++)
            assert_same_log(&in.logs[i], &out.logs[i]);
        for (uint32_t i = 0; i < in.metric_count; i++)
            assert_same_metric(&in.metrics[i], &out.metrics[i]);
        assert_int_equal(out.score_count, in.score_count);
        for (uint32_t i = 0; i < in.score_count; i++)
            assert_same_score(&in.scores[i], &out.scores[i]);
    }
    coded_clear(&coded);
}

static void every_field_of_every_type_goes_in_and_comes_out(void **state)
{
    (void)state;
    dice_each_seed(what_goes_in_comes_out);
}

static void cut_anywhere_is_an_error(struct dice *dice)
{
    struct coded coded;
    coded_init(&coded);
    for (int round = 0; round < 20; round++) {
        (void)encode_random(&coded, dice);
        for (size_t len = 0; len < coded.bytes.len; len += 1 + len / 40) {
            struct diag why = DIAG_NONE;
            struct batch out;
            char *exact = xmalloc(len); /* so that a read past the end is seen */
            memcpy(exact, coded.bytes.ptr, len);
            arena_reset(&coded.read);
            enum err err = batch_decode(&coded.read, str_make(exact, len), &out, &why);
            assert_int_equal(err, ERR_CORRUPT);
            assert_true(strlen(why.text) > 0);
            xfree(exact);
        }
    }
    coded_clear(&coded);
}

static void a_batch_cut_anywhere_is_an_error(void **state)
{
    (void)state;
    dice_each_seed(cut_anywhere_is_an_error);
}

static void damage_never_crashes(struct dice *dice)
{
    struct coded coded;
    coded_init(&coded);
    size_t decoded = 0;
    for (int round = 0; round < 3000; round++) {
        if (round % 50 == 0)
            (void)encode_random(&coded, dice);
        size_t len = coded.bytes.len;
        char *bytes = xmalloc(len);
        memcpy(bytes, coded.bytes.ptr, len);
        for (uint32_t flips = 1 + dice_roll(dice, 4); flips--;)
            bytes[12 + dice_roll(dice, (uint32_t)len - 12)] ^= (char)(1 + dice_roll(dice, 255));
        struct batch out;
        struct batch_span_ids *ids;
        struct span span;
        arena_reset(&coded.read);
        decoded += !batch_peek_spans(&coded.read, str_make(bytes, len), &ids, NULL);
        struct batch_header header;
        if (batch_peek(str_make(bytes, len), &header, NULL) == ERR_OK)
            for (uint32_t i = 0; i < header.span_count; i++) {
                bool whole =
                    !batch_decode_span_lean(&coded.read, str_make(bytes, len), i, &span, NULL);
                decoded += whole;
                assert_int_equal(
                    whole, !batch_decode_span(&coded.read, str_make(bytes, len), i, &span, NULL));
            }
        decoded += !batch_decode(&coded.read, str_make(bytes, len), &out, NULL);
        xfree(bytes);
    }
    assert_true(decoded > 0); /* a changed number is still a number */
    coded_clear(&coded);
}

static void damaged_bytes_never_crash_the_decoder(void **state)
{
    (void)state;
    dice_each_seed(damage_never_crashes);
}

/* ---- limits and refusals ---- */

static void encode_nested(struct buf *out, size_t arrays)
{
    struct value *levels = xcalloc(arrays + 1, sizeof *levels);
    levels[arrays] = value_i64(7);
    for (size_t i = arrays; i-- > 0;)
        levels[i] = (struct value){ .type = VALUE_ARRAY, .count = 1, .items = &levels[i + 1] };
    struct attr attr = { STR("deep"), levels[0] };
    struct span span = { .attrs = &attr, .attr_count = 1 };
    struct batch batch = { .project = STR("p"), .spans = &span, .span_count = 1 };
    buf_reset(out);
    batch_encode(out, &batch);
    xfree(levels);
}

/* The innermost value under that many arrays. */
static struct value nested_value(struct arena *arena, str bytes, size_t arrays)
{
    struct batch batch;
    assert_int_equal(batch_decode(arena, bytes, &batch, NULL), ERR_OK);
    struct value value = batch.spans[0].attrs[0].value;
    for (size_t i = 0; i < arrays; i++) {
        assert_int_equal(value.type, VALUE_ARRAY);
        assert_int_equal(value.count, 1);
        value = value.items[0];
    }
    return value;
}

/* What we wrote ourselves must be readable: the sender was told that it is safe. */
static void a_value_nested_past_the_limit_is_cut_and_the_batch_stays_readable(void **state)
{
    (void)state;
    struct coded coded;
    coded_init(&coded);
    encode_nested(&coded.bytes, VALUE_DEPTH_MAX);
    struct value leaf = nested_value(&coded.read, buf_str(&coded.bytes), VALUE_DEPTH_MAX);
    assert_int_equal(leaf.i64, 7);
    encode_nested(&coded.bytes, VALUE_DEPTH_MAX + 1);
    leaf = nested_value(&coded.read, buf_str(&coded.bytes), VALUE_DEPTH_MAX + 1);
    assert_int_equal(leaf.type, VALUE_NULL);
    encode_nested(&coded.bytes, 10 * VALUE_DEPTH_MAX);
    leaf = nested_value(&coded.read, buf_str(&coded.bytes), VALUE_DEPTH_MAX + 1);
    assert_int_equal(leaf.type, VALUE_NULL);
    coded_clear(&coded);
}

static void an_index_past_the_last_span_is_an_error(void **state)
{
    (void)state;
    struct coded coded;
    struct dice dice = { 3 };
    struct span span;
    coded_init(&coded);
    struct batch in = encode_random(&coded, &dice);
    str bytes = buf_str(&coded.bytes);
    assert_int_equal(batch_decode_span(&coded.read, bytes, in.span_count, &span, NULL),
                     ERR_CORRUPT);
    assert_int_equal(batch_decode_span(&coded.read, bytes, UINT32_MAX, &span, NULL), ERR_CORRUPT);
    coded_clear(&coded);
}

static void another_versions_table_is_refused_rather_than_misread(void **state)
{
    (void)state;
    struct coded coded;
    struct dice dice = { 4 };
    struct batch_header header;
    coded_init(&coded);
    (void)encode_random(&coded, &dice);
    coded.bytes.ptr[5] ^= 1; /* of the table's hash */
    assert_int_equal(batch_peek(buf_str(&coded.bytes), &header, NULL), ERR_UNSUPPORTED);
    coded.bytes.ptr[5] ^= 1;
    coded.bytes.ptr[0] ^= 1; /* of the magic */
    assert_int_equal(batch_peek(buf_str(&coded.bytes), &header, NULL), ERR_CORRUPT);
    coded_clear(&coded);
}

static void a_spent_budget_is_an_error_and_says_so(void **state)
{
    (void)state;
    struct coded coded;
    struct dice dice = { 9 };
    struct arena small;
    struct batch out;
    struct span span;
    struct diag why = DIAG_NONE;
    coded_init(&coded);
    struct batch in = encode_random(&coded, &dice);
    while (in.span_count == 0)
        in = encode_random(&coded, &dice);
    arena_init(&small, 64);
    assert_int_not_equal(batch_decode(&small, buf_str(&coded.bytes), &out, &why), ERR_OK);
    assert_non_null(strstr(why.text, "budget"));
    enum err err = batch_decode_span(&small, buf_str(&coded.bytes), 0, &span, &why);
    assert_int_equal(err, ERR_LIMIT);
    arena_clear(&small);
    coded_clear(&coded);
}

static void a_batch_past_its_buffer_fails_and_writes_no_further(void **state)
{
    (void)state;
    struct coded coded;
    struct dice dice = { 11 };
    coded_init(&coded);
    struct batch batch = encode_random(&coded, &dice);
    size_t whole = coded.bytes.len;
    for (size_t room = 0; room <= whole; room += room < 200 || room + 50 > whole ? 1 : 37) {
        struct buf tight;
        buf_init(&tight, room);
        batch_encode(&tight, &batch);
        assert_int_equal(buf_failed(&tight), room < whole);
        buf_clear(&tight);
    }
    coded_clear(&coded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_type_goes_in_and_comes_out),
        cmocka_unit_test(a_batch_cut_anywhere_is_an_error),
        cmocka_unit_test(damaged_bytes_never_crash_the_decoder),
        cmocka_unit_test(a_value_nested_past_the_limit_is_cut_and_the_batch_stays_readable),
        cmocka_unit_test(an_index_past_the_last_span_is_an_error),
        cmocka_unit_test(another_versions_table_is_refused_rather_than_misread),
        cmocka_unit_test(a_spent_budget_is_an_error_and_says_so),
        cmocka_unit_test(a_batch_past_its_buffer_fails_and_writes_no_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
