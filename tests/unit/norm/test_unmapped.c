/* test_unmapped.c -- names that no row knows: counted per project, bounded, read while written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"
#include "norm_help.h"
#include "sys/thread.h"
#undef assert

static struct help help;
static struct unmapped *unmapped;

static int reset(void **state)
{
    (void)state;
    help_reset(&help);
    unmapped_free(unmapped);
    unmapped = unmapped_new();
    help.config.unmapped = unmapped;
    return 0;
}

static int done(void **state)
{
    (void)state;
    unmapped_free(unmapped);
    arena_clear(&help.arena);
    return 0;
}

static struct unmapped_items list(const char *project, const char *prefix)
{
    const struct unmapped *tables[] = { unmapped };
    struct unmapped_items items;
    assert_int_equal(
        unmapped_list(&help.arena, tables, 1, str_from_c(project), str_from_c(prefix), &items),
        ERR_OK);
    return items;
}

static void add(const char *project, const char *name)
{
    struct unmapped_sender sender = { .project = str_from_c(project),
                                      .scope = STR("s"),
                                      .service = STR("v"),
                                      .now_ns = 5,
                                      .arena = &help.arena };
    unmapped_add(unmapped, &sender, str_from_c(name));
}

/* shows: B3 */
static void an_unknown_genai_name_is_counted_with_who_sent_it(void **state)
{
    (void)state;
    help.scope.name = STR_OF("acme.tracer");
    help_resource(&help, "service.name", "shop");
    help_attr(&help, "gen_ai.usage.unknown_tokens", value_i64(3));
    help_text(&help, "gen_ai.request.model", "m");
    help_text(&help, "gen_ai.request.odd_parameter", "is a parameter");
    help_run(&help);
    help_run(&help);
    struct unmapped_items items = list("p", "");
    assert_int_equal(items.count, 1);
    const struct unmapped_item *item = &items.items[0];
    assert_true(str_equal_c(item->name, "gen_ai.usage.unknown_tokens"));
    assert_int_equal(item->count, 2);
    assert_true(str_equal_c(item->scope, "acme.tracer"));
    assert_true(str_equal_c(item->service, "shop"));
    assert_true(str_equal_c(item->dialect, "otel-genai"));
    assert_int_equal(item->first_ns, RECEIVED_NS);
    assert_int_equal(unmapped_total(unmapped), 2);
}

static void a_mapped_or_ignored_name_is_no_gap(void **state)
{
    (void)state;
    struct mapping *mapping = NULL;
    struct diag why = DIAG_NONE;
    assert_int_equal(
        mapping_load(STR_OF("m"), STR_OF("acme.a: user_id\nacme.b: ignore\n"), &mapping, &why),
        ERR_OK);
    help.config.mapping = mapping;
    help_text(&help, "acme.a", "x");
    help_text(&help, "acme.b", "x");
    help_text(&help, "acme.c", "x");
    help_text(&help, "langfuse.trace.metadata.plan", "x");
    help_resource(&help, "acme.d", "x");
    help_run(&help);
    struct unmapped_items items = list("p", "acme.");
    assert_int_equal(items.count, 2);
    assert_true(str_equal_c(items.items[0].name, "acme.c"));
    assert_true(str_equal_c(items.items[1].name, "acme.d"));
    assert_int_equal(list("p", "").count, 3);
    mapping_free(mapping);
}

static void the_most_frequent_comes_first_and_a_project_sees_its_own(void **state)
{
    (void)state;
    add("a", "once");
    for (int i = 0; i < 3; i++)
        add("a", "thrice");
    add("b", "of b");
    struct unmapped_items items = list("a", "");
    assert_int_equal(items.count, 2);
    assert_true(str_equal_c(items.items[0].name, "thrice"));
    assert_int_equal(items.items[0].count, 3);
    assert_int_equal(list("b", "").count, 1);
    assert_int_equal(list("c", "").count, 0);
}

static void past_1024_names_of_a_project_the_rest_is_other(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < UNMAPPED_NAMES_MAX + 7; i++) {
        snprintf(name, sizeof name, "n.%d", i);
        add("a", name);
    }
    add("a", "n.0");
    add("b", "another project has room");
    struct unmapped_items items = list("a", "");
    assert_int_equal(items.count, UNMAPPED_NAMES_MAX);
    assert_int_equal(items.other_count, 7);
    assert_true(str_equal_c(items.items[0].name, "n.0"));
    assert_int_equal(list("b", "").count, 1);
}

static void all_projects_together_have_a_limit_too(void **state)
{
    (void)state;
    char project[32], name[32];
    for (int i = 0; i < UNMAPPED_PROJECTS_MAX + 1; i++) {
        snprintf(project, sizeof project, "p%d", i);
        for (int k = 0; k < UNMAPPED_ALL_MAX / UNMAPPED_PROJECTS_MAX + 1; k++) {
            snprintf(name, sizeof name, "n.%d", k);
            add(project, name);
        }
    }
    size_t kept = 0;
    for (int i = 0; i < UNMAPPED_PROJECTS_MAX + 1; i++) {
        snprintf(project, sizeof project, "p%d", i);
        kept += list(project, "").count;
    }
    assert_int_equal(kept, UNMAPPED_ALL_MAX);
    assert_int_equal(unmapped_total(unmapped),
                     (UNMAPPED_PROJECTS_MAX + 1) * (UNMAPPED_ALL_MAX / UNMAPPED_PROJECTS_MAX + 1));
}

static void a_long_name_is_cut_at_a_character(void **state)
{
    (void)state;
    char name[400];
    memset(name, 'a', sizeof name);
    memcpy(name + UNMAPPED_NAME_BYTES_MAX - 1, "\xc3\xa4", 2);
    name[sizeof name - 1] = '\0';
    add("a", name);
    add("a", "\xff\xfe");
    struct unmapped_items items = list("a", "");
    assert_int_equal(items.count, 2);
    assert_int_equal(items.items[0].name.len, UNMAPPED_NAME_BYTES_MAX - 1);
    assert_true(str_equal_c(items.items[1].name, "\xef\xbf\xbd\xef\xbf\xbd"));
}

static str mask(void *arg, struct arena *arena, str name)
{
    (void)arena;
    return str_find_char(name, '@') < name.len ? str_from_c(arg) : name;
}

static void a_name_is_cleaned_before_it_is_kept(void **state)
{
    (void)state;
    help.config.clean_name = mask;
    help.config.clean_name_arg = (char[]){ "[REDACTED]" };
    help_text(&help, "ann@example.com", "x");
    help_text(&help, "bob@example.com", "x");
    help_run(&help);
    struct unmapped_items items = list("p", "");
    assert_int_equal(items.count, 1);
    assert_true(str_equal_c(items.items[0].name, "[REDACTED]"));
    assert_int_equal(items.items[0].count, 2);
}

/* ---- one writer, one reader ---- */

enum { TURNS = 20000 };

static void write_names(void *arg)
{
    struct arena arena;
    (void)arg;
    arena_init(&arena, MIB);
    struct unmapped_sender sender = { .scope = STR("s"), .service = STR("v"), .arena = &arena };
    char name[32], project[8];
    for (int i = 0; i < TURNS; i++) {
        snprintf(name, sizeof name, "n.%d", i % 1500);
        snprintf(project, sizeof project, "p%d", i % 3);
        sender.project = str_from_c(project);
        sender.now_ns = i;
        unmapped_add(unmapped, &sender, str_from_c(name));
    }
    arena_clear(&arena);
}

/* Under ThreadSanitizer this is the proof that no lock is missing. */
static void a_reader_beside_the_writer_sees_whole_names_and_in_the_end_all(void **state)
{
    (void)state;
    struct thread writer = { 0 };
    thread_start(&writer, "writer", write_names, NULL);
    uint64_t last = 0;
    while (last < TURNS) {
        arena_reset(&help.arena);
        struct unmapped_items items = list("p1", "");
        for (size_t i = 0; i < items.count; i++)
            assert_true(str_starts(items.items[i].name, STR_OF("n.")) && items.items[i].count > 0);
        assert_true(unmapped_total(unmapped) >= last);
        last = unmapped_total(unmapped);
    }
    thread_join(&writer);
    uint64_t sum = 0;
    struct unmapped_items items = list("p1", "");
    for (size_t i = 0; i < items.count; i++)
        sum += items.items[i].count;
    assert_int_equal(sum + items.other_count, TURNS / 3 + 1);
}

static void the_tables_of_all_workers_are_added_up(void **state)
{
    (void)state;
    struct unmapped *first = unmapped, *second = unmapped_new();
    add("a", "x");
    unmapped = second;
    add("a", "x");
    add("a", "y");
    const struct unmapped *tables[] = { first, second };
    struct unmapped_items items;
    assert_int_equal(unmapped_list(&help.arena, tables, 2, STR_OF("a"), STR_NONE, &items), ERR_OK);
    assert_int_equal(items.count, 2);
    assert_int_equal(items.items[0].count, 2);
    unmapped_free(second);
    unmapped = first;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_unknown_genai_name_is_counted_with_who_sent_it, reset),
        cmocka_unit_test_setup(a_mapped_or_ignored_name_is_no_gap, reset),
        cmocka_unit_test_setup(the_most_frequent_comes_first_and_a_project_sees_its_own, reset),
        cmocka_unit_test_setup(past_1024_names_of_a_project_the_rest_is_other, reset),
        cmocka_unit_test_setup(all_projects_together_have_a_limit_too, reset),
        cmocka_unit_test_setup(a_long_name_is_cut_at_a_character, reset),
        cmocka_unit_test_setup(a_name_is_cleaned_before_it_is_kept, reset),
        cmocka_unit_test_setup(a_reader_beside_the_writer_sees_whole_names_and_in_the_end_all,
                               reset),
        cmocka_unit_test_setup(the_tables_of_all_workers_are_added_up, reset),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
