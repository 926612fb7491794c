/* test_pin.c -- a project or tenant is read by the version of the mapping it is pinned to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "norm/norm_int.h"
#include "norm/pin.h"
#include "norm_help.h"
#undef assert

static struct help help;
static struct pins *pins;
static struct unmapped *unmapped;
static struct mapping *files[2];

static struct mapping *load(const char *yaml)
{
    struct mapping *mapping = NULL;
    assert_int_equal(mapping_load(STR_OF("m.yaml"), str_from_c(yaml), &mapping, NULL), ERR_OK);
    return mapping;
}

static int reset(void **state)
{
    (void)state;
    help_reset(&help);
    unmapped = unmapped_new();
    help.config.unmapped = unmapped;
    help.config.tenant = STR_NONE;
    files[0] = load("acme.case: feature\n");
    files[1] = load("acme.case: session_id\nacme.new: user_id\n");
    return 0;
}

static int done(void **state)
{
    (void)state;
    pins_free(pins);
    pins = NULL;
    unmapped_free(unmapped);
    mapping_free(files[0]);
    mapping_free(files[1]);
    arena_clear(&help.arena);
    return 0;
}

/* file: 0 none, 1 and 2 of files[]. */
static struct pin pin_of(const char *project, const char *tenant, uint32_t tables, uint32_t file)
{
    return (struct pin){ .project = str_from_c(project),
                         .tenant = str_from_c(tenant),
                         .version = { tables, file },
                         .mapping = file ? files[file - 1] : NULL };
}

static void pin(const struct pin *from, size_t count)
{
    struct pin newest = pin_of("", NULL, MAPPING_TABLES, 2);
    pins_free(pins);
    pins = NULL;
    assert_int_equal(pins_new(from, count, &newest, &pins, NULL), ERR_OK);
    help.config.pins = pins;
}

static void says(const struct span *span, const char *field, const char *json)
{
    assert_string_equal(help_field(&help, span, field), json);
}

static void send_both(void)
{
    help_text(&help, "mlflow.llm.model", "m-1");        /* moved in version 2 */
    help_text(&help, "opik.model", "m-2");              /* new in version 2 */
    help_text(&help, "gen_ai.usage.input_tokens", "7"); /* always */
    help_text(&help, "acme.case", "c-1");               /* the file moved it */
    help_text(&help, "acme.new", "u-1");                /* new in the file */
}

static uint64_t newer_count(const char *name)
{
    const struct unmapped *tables[] = { unmapped };
    struct unmapped_items items;
    assert_int_equal(unmapped_list(&help.arena, tables, 1, STR_OF("p"), STR_NONE, &items), ERR_OK);
    for (size_t i = 0; i < items.count; i++)
        if (str_equal_c(items.items[i].name, name))
            return items.items[i].newer_count;
    return UINT64_MAX;
}

/* shows: B2 */
static void without_a_pin_the_newest_mapping_reads_and_is_named(void **state)
{
    (void)state;
    pin(NULL, 0);
    send_both();
    help_text(&help, "acme.gap", "x");
    const struct span *span = help_run(&help);
    says(span, "mapping_version", "\"2.2\"");
    says(span, "generator_model", "\"m-1\"");
    says(span, "request_model", "\"m-2\"");
    says(span, "session_id", "\"c-1\"");
    says(span, "user_id", "\"u-1\"");
    assert_int_equal(newer_count("acme.gap"), 0);
}

/* shows: B2 */
static void a_pinned_project_is_read_as_before_and_what_is_new_stays_an_attribute(void **state)
{
    (void)state;
    struct pin old = pin_of("p", NULL, 1, 1);
    pin(&old, 1);
    send_both();
    help_text(&help, "acme.gap", "x");
    const struct span *span = help_run(&help);
    says(span, "mapping_version", "\"1.1\"");
    says(span, "request_model", "\"m-1\"");
    says(span, "feature", "\"c-1\"");
    says(span, "session_id", "null");
    says(span, "input_tokens", "7");
    assert_non_null(attr_find(span->attrs, span->attr_count, STR_OF("opik.model")));
    assert_non_null(attr_find(span->attrs, span->attr_count, STR_OF("acme.new")));
    assert_int_equal(newer_count("opik.model"), 1);
    assert_int_equal(newer_count("acme.new"), 1);
    assert_int_equal(newer_count("acme.gap"), 0);
    assert_int_equal(newer_count("acme.case"), UINT64_MAX);
}

static void a_family_of_names_that_is_new_is_not_read_either(void **state)
{
    (void)state;
    struct pin old = pin_of("p", NULL, 1, 0);
    help_text(&help, "opik.metadata.user_id", "u-1");
    help_text(&help, "langfuse.trace.metadata.user_id", "u-2");
    pin(NULL, 0);
    says(help_run(&help), "user_id", "\"u-1\"");
    pin(&old, 1);
    says(help_run(&help), "user_id", "\"u-2\"");
    assert_int_equal(newer_count("opik.metadata.user_id"), 1);
}

static void a_pin_of_a_tenant_beats_that_of_its_project_and_holds_for_it_alone(void **state)
{
    (void)state;
    struct pin both[] = { pin_of("p", "acme", 1, 0), pin_of("p", NULL, 2, 1),
                          pin_of("other", NULL, 1, 1) };
    pin(both, 3);
    help.config.tenant = STR_OF("acme");
    says(help_run(&help), "mapping_version", "\"1.0\"");
    help.config.tenant = STR_OF("umbrella");
    says(help_run(&help), "mapping_version", "\"2.1\"");
    help.config.project = STR_OF("unpinned");
    says(help_run(&help), "mapping_version", "\"2.2\"");
}

static void a_tenant_is_found_on_the_span_else_on_its_resource(void **state)
{
    (void)state;
    struct pin acme = pin_of("p", "acme", 1, 0);
    pin(&acme, 1);
    help_resource(&help, "app.tenant_id", "acme");
    says(help_run(&help), "mapping_version", "\"1.0\"");
    help_text(&help, "tenant.id", "umbrella");
    says(help_run(&help), "mapping_version", "\"2.2\"");
    help_text(&help, "app.tenant_id", "acme"); /* the first row wins */
    says(help_run(&help), "mapping_version", "\"1.0\"");
}

static void two_tenants_of_one_request_are_each_read_by_their_own(void **state)
{
    (void)state;
    struct pin acme = pin_of("p", "acme", 1, 0);
    pin(&acme, 1);
    static const char *const tenants[] = { "acme", "umbrella", "acme" };
    struct attr attrs[3][2];
    struct raw_span spans[3];
    for (size_t i = 0; i < 3; i++) {
        attrs[i][0] = (struct attr){ STR_OF("app.tenant_id"), value_str(str_from_c(tenants[i])) };
        attrs[i][1] = (struct attr){ STR_OF("mlflow.llm.model"), value_str(STR_OF("m-1")) };
        spans[i] = help.span;
        spans[i].span_id.bytes[0] = (uint8_t)(i + 1);
        spans[i].attrs = attrs[i];
        spans[i].attr_count = 2;
    }
    struct raw_batch raw = { .spans = spans, .span_count = 3 };
    assert_int_equal(norm_batch(&help.arena, &help.config, &raw, &help.batch, NULL), ERR_OK);
    for (size_t i = 0; i < 3; i++)
        says(&help.batch.spans[i], i == 1 ? "generator_model" : "request_model", "\"m-1\"");
}

static void a_version_is_two_numbers_and_a_dot(void **state)
{
    (void)state;
    struct mapping_version version;
    char text[MAPPING_VERSION_CHARS];
    assert_true(mapping_version_parse(STR_OF("2.10"), &version));
    mapping_version_format(version, text);
    assert_string_equal(text, "2.10");
    static const char *const bad[] = {
        "", "2", "2.", ".1", "0.1", "2.1.1", "a.b", "-1.2", "99999.1"
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(mapping_version_parse(str_from_c(bad[i]), &version));
}

static void tables_of_a_newer_server_are_refused(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    struct pin newest = pin_of("", NULL, MAPPING_TABLES, 0);
    struct pin at = pin_of("p", NULL, MAPPING_TABLES, 0);
    struct pin past = pin_of("p", NULL, MAPPING_TABLES + 1, 0);
    assert_int_equal(pins_new(&at, 1, &newest, &pins, &why), ERR_OK);
    struct pins *none = NULL;
    assert_int_equal(pins_new(&past, 1, &newest, &none, &why), ERR_UNSUPPORTED);
    assert_null(none);
    struct pin *many = xcalloc(PINS_MAX + 1, sizeof *many);
    for (size_t i = 0; i <= PINS_MAX; i++)
        many[i] = at;
    assert_int_equal(pins_new(many, PINS_MAX + 1, &newest, &none, &why), ERR_LIMIT);
    assert_int_equal(pins_new(many, PINS_MAX, &newest, &none, &why), ERR_OK);
    pins_free(none);
    xfree(many);
}

/* What a version reads, row by row in their order. */
static uint64_t fingerprint(uint32_t tables)
{
    uint64_t hash = 1;
    struct mapping_row_info row;
    for (size_t i = 0; mapping_built_in(i, &row); i++) {
        if (row.since > tables || (row.until && row.until < tables))
            continue;
        const str texts[] = { row.attribute, row.field, row.dialect,
                              row.keep ? STR_OF("keep") : STR_OF("") };
        for (size_t k = 0; k < COUNT_OF(texts); k++)
            hash = hash_bytes_seeded(texts[k].ptr, texts[k].len, hash);
    }
    return hash;
}

/* Who fails this has changed what a name becomes.  Keep the old row as WAS and give the new one
 * the next version (MAPPING_TABLES), or make the change part of a version that was never
 * released, and write the number that is shown here. */
static void versions_of_the_tables_never_change(void **state)
{
    (void)state;
    static const uint64_t known[MAPPING_TABLES] = { 0xa38802a37fbf3988, 0x08b5e491a53588fc };
    for (uint32_t tables = 1; tables <= MAPPING_TABLES; tables++)
        if (fingerprint(tables) != known[tables - 1])
            fail_msg("version %u of the tables is another: 0x%016llx", tables,
                     (unsigned long long)fingerprint(tables));
    struct mapping_row_info row;
    uint32_t newest = 0;
    for (size_t i = 0; mapping_built_in(i, &row); i++)
        newest = MAX(newest, row.since);
    assert_int_equal(newest, MAPPING_TABLES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, done)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_pin_the_newest_mapping_reads_and_is_named),
        TEST(a_pinned_project_is_read_as_before_and_what_is_new_stays_an_attribute),
        TEST(a_family_of_names_that_is_new_is_not_read_either),
        TEST(a_pin_of_a_tenant_beats_that_of_its_project_and_holds_for_it_alone),
        TEST(a_tenant_is_found_on_the_span_else_on_its_resource),
        TEST(two_tenants_of_one_request_are_each_read_by_their_own),
        TEST(a_version_is_two_numbers_and_a_dot),
        TEST(tables_of_a_newer_server_are_refused),
        TEST(versions_of_the_tables_never_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
