/* rollup.c -- which questions rollups answer, and from which of their tables.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/rollup.h"

const enum field rollup_dims[ROLLUP_DIMS] = {
    [ROLLUP_DIM_step] = FIELD_step,
    [ROLLUP_DIM_operation] = FIELD_operation,
    [ROLLUP_DIM_status] = FIELD_status,
    [ROLLUP_DIM_rollup] = FIELD_rollup,
    [ROLLUP_DIM_provider] = FIELD_provider,
    [ROLLUP_DIM_generator_model] = FIELD_generator_model,
    [ROLLUP_DIM_service] = FIELD_service,
    [ROLLUP_DIM_environment] = FIELD_environment,
    [ROLLUP_DIM_error_class] = FIELD_error_class,
    [ROLLUP_DIM_cost_source] = FIELD_cost_source,
    [ROLLUP_DIM_parent_span_id] = FIELD_parent_span_id,
    [ROLLUP_DIM_tenant_id] = FIELD_tenant_id,
    [ROLLUP_DIM_feature] = FIELD_feature,
    [ROLLUP_DIM_release] = FIELD_release,
    [ROLLUP_DIM_prompt_template_id] = FIELD_prompt_template_id,
    [ROLLUP_DIM_prompt_version] = FIELD_prompt_version,
    [ROLLUP_DIM_tool_name] = FIELD_tool_name,
};

const enum field rollup_numbers[ROLLUP_NUMBERS] = {
    FIELD_latency_ns,   FIELD_ttft_ns,       FIELD_cost_nanousd, FIELD_total_tokens,
    FIELD_input_tokens, FIELD_output_tokens, FIELD_input_fresh,  FIELD_cache_read,
    FIELD_output_text,  FIELD_reasoning,
};

/* Sums and bins each from the coarsest to the finest. */
const struct rollup_table rollup_tables[ROLLUP_TABLES] = {
    [ROLLUP_SUMS_DAY] = { "sums_day", ROLLUP_DAY_NS, ROLLUP_DIMS, false, true },
    [ROLLUP_SUMS_HOUR] = { "sums_hour", ROLLUP_HOUR_NS, ROLLUP_DIMS, false, false },
    [ROLLUP_SUMS_MINUTE] = { "sums_minute", ROLLUP_MINUTE_NS, ROLLUP_DIMS_CORE, false, false },
    [ROLLUP_BINS_DAY] = { "bins_day", ROLLUP_DAY_NS, ROLLUP_DIMS_FEW, true, true },
    [ROLLUP_BINS_HOUR] = { "bins_hour", ROLLUP_HOUR_NS, ROLLUP_DIMS_FEW, true, false },
    [ROLLUP_BINS_WIDE] = { "bins_wide", ROLLUP_DAY_NS, ROLLUP_DIMS, true, false },
};

static bool dim_add(enum field field, uint32_t *dims)
{
    for (uint32_t dim = 0; dim < ROLLUP_DIMS; dim++)
        if (rollup_dims[dim] == field) {
            *dims |= UINT32_C(1) << dim;
            return true;
        }
    return false;
}

static bool filter_dims(const struct filter *filter, uint32_t *dims)
{
    if (!filter)
        return true;
    if (filter->op == FILTER_NOT)
        return filter_dims(filter->left, dims);
    if (filter->op == FILTER_AND || filter->op == FILTER_OR)
        return filter_dims(filter->left, dims) && filter_dims(filter->right, dims);
    bool is_of_span = filter->op < FILTER_ANY && filter->fold == FOLD_NONE &&
                      str_is_none(filter->score) && filter->field < FIELD_COUNT;
    if (is_of_span && filter->field == FIELD_parent_span_id && filter->op != FILTER_EXISTS)
        return false;
    return is_of_span && dim_add(filter->field, dims);
}

bool rollup_dims_of(const struct store_aggregate *ask, uint32_t *ret_dims)
{
    *ret_dims = 0;
    for (uint32_t i = 0; i < ask->by_count; i++)
        if (ask->by[i] >= FIELD_COUNT || !dim_add(ask->by[i], ret_dims))
            return false;
    if (!str_is_none(ask->scope.tenant) && !dim_add(FIELD_tenant_id, ret_dims))
        return false;
    return filter_dims(ask->filter, ret_dims);
}

bool rollup_measure_dims(const struct store_measure *measure, uint32_t *dims)
{
    return filter_dims(measure->filter, dims);
}

int rollup_number_of(enum field field)
{
    for (int i = 0; i < ROLLUP_NUMBERS; i++)
        if (rollup_numbers[i] == field)
            return i;
    return -1;
}

static bool measure_is_kept(const struct store_measure *measure)
{
    uint32_t dims = 0;
    if (measure->is_evaluated || !filter_dims(measure->filter, &dims))
        return false;
    if (measure->of == STORE_OF_SPANS)
        return measure->op == STORE_OP_COUNT;
    if (measure->of == STORE_OF_END)
        return measure->op == STORE_OP_MAX;
    if (measure->of != STORE_OF_FIELD)
        return false;
    int number = rollup_number_of(measure->field);
    if (measure->field == FIELD_start_time)
        return measure->op == STORE_OP_MIN;
    switch ((int)measure->op) {
    case STORE_OP_COUNT:
    case STORE_OP_SUM:
        return number >= 0;
    case STORE_OP_MIN:
    case STORE_OP_MAX:
        return number >= 0 && number < ROLLUP_BOUNDED;
    case STORE_OP_QUANTILE:
        return number >= 0 && number < ROLLUP_BINNED;
    default:
        return false;
    }
}

bool rollup_can_answer(const struct store_aggregate *ask)
{
    uint32_t dims;
    if (!rollup_dims_of(ask, &dims))
        return false;
    for (uint32_t i = 0; i < ask->measure_count; i++)
        if (!measure_is_kept(&ask->measures[i]))
            return false;
    return true;
}

static bool table_fits(enum rollup_table_id id, const struct store_aggregate *ask, uint32_t dims,
                       bool of_bins)
{
    const struct rollup_table *table = &rollup_tables[id];
    return table->is_of_bins == of_bins && dims >> table->dims == 0 &&
           ask->step_ns % table->width_ns == 0;
}

static void piece_add(struct rollup_cover *cover, enum rollup_table_id table, int64_t from,
                      int64_t to)
{
    if (from < to)
        cover->pieces[cover->count++] =
            (struct rollup_piece){ .table = table, .range = { from, to } };
}

void rollup_cover(const struct store_aggregate *ask, uint32_t dims, bool of_bins,
                  struct rollup_cover *ret_cover)
{
    struct rollup_cover *cover = ret_cover;
    *cover = (struct rollup_cover){ .count = 0 };
    /* Times before 1970 and near the end of time are not rolled up: no care for overflows. */
    int64_t from = MAX(ask->scope.range.from_ns, INT64_C(0));
    int64_t to = MIN(ask->scope.range.to_ns, INT64_MAX - 2 * ROLLUP_DAY_NS);
    from = MIN(from, INT64_MAX - 2 * ROLLUP_DAY_NS);
    for (enum rollup_table_id id = 0; id < ROLLUP_TABLES; id++) {
        int64_t width = rollup_tables[id].width_ns;
        bool is_next = cover->count == 0 || width < rollup_tables[cover->pieces[0].table].width_ns;
        if (!is_next || !table_fits(id, ask, dims, of_bins))
            continue;
        int64_t first = (from + width - 1) / width * width, end = to > 0 ? to / width * width : 0;
        if (first >= end)
            continue;
        if (cover->count == 0) {
            cover->range = (struct time_range){ first, end };
            piece_add(cover, id, first, end);
            continue;
        }
        piece_add(cover, id, first, cover->range.from_ns);
        piece_add(cover, id, cover->range.to_ns, end);
        cover->range = (struct time_range){ first, end };
    }
}
