/* test_kinds.c -- each kind is found, and what only looks like it is not.
 *
 * Examples are built at run time from pieces or from the rules' own shapes, so
 * that no string that a scanner takes for a key stands in the source.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "redact_fixture.h"

struct random {
    uint64_t state;
};

static uint32_t random_below(struct random *random, uint32_t limit)
{
    random->state = random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random->state >> 33) % limit;
}

static char random_of_set(struct random *random, const struct shape_set *set)
{
    for (;;) {
        char c = (char)(33 + random_below(random, 94));
        if (shape_has(set, c))
            return c;
        if (shape_has(set, ' '))
            return ' ';
    }
}

/* A text that the shape matches. */
static str shape_example(struct random *random, const struct shape *shape, struct buf *out)
{
    buf_reset(out);
    for (uint32_t i = 0; i < shape->count; i++) {
        const struct shape_elem *elem = &shape->elems[i];
        uint32_t count = elem->min == 0 && elem->max == 1 ? 0 : elem->min;
        for (uint32_t k = 0; k < count; k++)
            buf_add_char(out, random_of_set(random, &elem->set));
    }
    return buf_str(out);
}

static bool needs_what_stands_before(const struct rule *rule)
{
    return rule->check == check_telegram || rule->check == check_terraform;
}

/* shows: P1 */
static void every_key_with_a_prefix_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct random random = { 11 };
    struct buf example;
    buf_init(&example, 4096);
    for (size_t i = 0; i < rule_count; i++) {
        const struct rule *rule = &rule_table[i];
        if (rule->form != RULE_PREFIX || needs_what_stands_before(rule))
            continue;
        str key = shape_example(&random, &fixture->redactor->shapes[i], &example);
        str text = arena_printf(&fixture->arena, "use %.*s now", STR_ARG(key));
        const char *safe = named(fixture, text.ptr);
        if (str_find(str_from_c(safe), key) < strlen(safe) || !strstr(safe, "use [REDACTED:"))
            fail_msg("%s survives: %s", rule->kind, safe);
    }
    buf_clear(&example);
}

static void a_key_inside_a_longer_word_is_no_key(void **state)
{
    struct fixture *fixture = *state;
    struct buf example;
    struct random random = { 5 };
    buf_init(&example, 4096);
    for (size_t i = 0; i < rule_count; i++) {
        const struct rule *rule = &rule_table[i];
        if (rule->form != RULE_PREFIX || strcmp(rule->kind, "github_token") != 0)
            continue;
        str key = shape_example(&random, &fixture->redactor->shapes[i], &example);
        str text = arena_printf(&fixture->arena, "x%.*s", STR_ARG(key));
        assert_string_equal(plain(fixture, text.ptr), text.ptr);
    }
    buf_clear(&example);
}

/* Pieces are joined; the kind must be named in the result and `gone` must not be left. */
struct example {
    const char *kind;
    const char *before;
    const char *first, *second;
};

static void examples_check(struct fixture *fixture, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct example *example = &examples[i];
        str value = arena_printf(&fixture->arena, "%s%s", example->first, example->second);
        str text = arena_printf(&fixture->arena, "%s%.*s end", example->before, STR_ARG(value));
        const char *safe = named(fixture, text.ptr);
        str marker = arena_printf(&fixture->arena, "[REDACTED:%s]", example->kind);
        if (strstr(safe, value.ptr) || !strstr(safe, marker.ptr))
            fail_msg("%s: %s", example->kind, safe);
    }
}

/* shows: P1 P2 */
static void secrets_that_a_word_gives_away_are_replaced(void **state)
{
    static const struct example examples[] = {
        { "credential", "auth_token = \"", "q8Zr2LmX", "71bTyW0vKd" },
        { "credential", "passwd=", "hunter", "2!" },
        { "credential", "export SERVICE_TOKEN=", "a81Kz0q", "Lw92mXc3" },
        { "credential", "'access_token': '", "zzYYxx", "998877ab" },
        { "credential", "{\"client_secret\": \"", "abc", "def" },
        { "credential", "{\"x-api-key\":\"", "k", "1" },
        { "service_key", "heroku = \"", "1f2e3d4c-5b6a-", "4978-8a9b-0c1d2e3f4a5b" },
        { "datadog_key", "DATADOG_KEY=", "0a1b2c3d4e5f6a7b", "8c9d0e1f2a3b4c5d" },
        { "bearer_token", "Authorization: Bearer ", "mF_9.B5f-", "4.1JqM0aa" },
        { "basic_auth", "Authorization: Basic ", "dXNlcjpw", "YXNzd29yZA==" },
        { "url_credential", "postgres://app:", "s3cr", "etpw@db/x" },
        { "url_parameter", "https://h/x?a=1&token=", "abc1234", "5678" },
        { "curl_credential", "curl -s -u admin:", "pa55", "word https://h" },
        { "spoken_credential", "my password is ", "hunt", "er2" },
        { "telegram_token", "bot ", "123456789:A", "AEhBP0av28wJHwCaRUPNhTzIwE8qFs9sOo" },
    };
    examples_check(*state, examples, 10);
    struct fixture *fixture = *state;
    for (size_t i = 10; i < COUNT_OF(examples); i++) {
        str text = arena_printf(&fixture->arena, "%s%s%s", examples[i].before, examples[i].first,
                                examples[i].second);
        const char *safe = named(fixture, text.ptr);
        if (!strstr(safe, examples[i].kind))
            fail_msg("%s: %s", examples[i].kind, safe);
    }
}

/* shows: P2 */
static void personal_data_is_replaced(void **state)
{
    static const struct example examples[] = {
        { "email", "write to ", "jane.doe", "@example.com" },
        { "email", "<", "o'neil+x", "@mail.example.co.uk" },
        { "credit_card", "card ", "4111 1111 ", "1111 1111" },
        { "credit_card", "", "411111111", "1111111" },
        { "credit_card", "amex ", "3782 822463", " 10005" },
        { "credit_card", "", "5555-5555-", "5555-4444" },
        { "iban", "IBAN ", "DE89 3704 0044", " 0532 0130 00" },
        { "iban", "", "GB82WEST", "12345698765432" },
        { "us_ssn", "ssn ", "536-90", "-4399" },
        { "us_ssn", "SSN is ", "53690", "4399" },
        { "uk_nino", "", "AB 12 34 ", "56 C" },
        { "uk_nhs_number", "NHS no ", "943 476", " 5919" },
        { "de_tax_id", "Steuer-ID ", "8609574", "2719" },
        { "fr_nir", "", "2 55 08 14 ", "168 025 38" },
        { "es_nif", "", "1234567", "8Z" },
        { "es_nie", "", "X123456", "7L" },
        { "it_codice_fiscale", "", "RSSMRA85", "T10A562S" },
        { "nl_bsn", "BSN: ", "1112", "22333" },
        { "pl_pesel", "PESEL ", "4405140", "1359" },
        { "in_aadhaar", "", "2341 2341", " 2346" },
        { "in_pan", "PAN number ", "ABCPE", "1234F" },
        { "br_cpf", "", "529.982.", "247-25" },
        { "br_cnpj", "", "11.222.333", "/0001-81" },
        { "ca_sin", "social insurance ", "046 454", " 286" },
        { "au_tfn", "tax file ", "123 456", " 782" },
        { "sg_nric", "", "S12345", "67D" },
        { "ipv4", "from ", "203.0.", "113.77" },
        { "ipv6", "from ", "2001:db8:85a3::", "8a2e:370:7334" },
        { "mac_address", "", "00:1b:44:", "11:3a:b7" },
        { "btc_address", "", "1A1zP1eP5QGefi2D", "MPTfTL5SLmv7DivfNa" },
        { "btc_address", "", "bc1qw508d6qejxtdg4y", "5r3zarvary0c5xw7kv8f3t4" },
        { "eth_address", "", "0x52908400098527886E", "0F7030069857D2E4169EE7" },
        { "phone", "", "+49 170 ", "1234567" },
        { "phone", "", "(212) 555", "-0123" },
        { "phone", "Tel. ", "030 9018", "20" },
        { "date_of_birth", "born on ", "12/04", "/1987" },
        { "passport", "passport number is ", "X1234", "5678" },
        { "driver_licence", "driver license ", "D123", "45678" },
        { "bank_account", "account number: ", "000123", "456789" },
        { "aba_routing", "routing ", "12100", "0358" },
    };
    examples_check(*state, examples, COUNT_OF(examples));
}

/* shows: P2 */
static void what_only_looks_like_it_survives(void **state)
{
    static const char *const harmless[] = {
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
        "id 6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "4111 1111 1111 1112",
        "0.4111111111111111",
        "at 2026-11-21T11:08:00.123456789Z took 1763723280123456 us",
        "1763723280123456789",
        "version 1.2.3.4 and 127.0.0.1 and 0.0.0.0",
        "DE89 3704 0044 0532 0130 01",
        "000-12-3456 and 666-12-3456",
        "for i in range(100000): x[i] = 123456789",
        "std::vector<int> a; ns::b::c()",
        "12:34:56",
        "@decorator def f(self): pass",
        "logo@2x.png and pkg@1.2.3",
        "git@github.com:owner/repo.git",
        "token = get_token(user)",
        "max_tokens: 4096, token_count = 1234567890",
        "model gpt-4o-mini-2024-07-18 by auth proxy",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        "555 bytes, 1234 rows, 5678 columns",
        "embedding [0.0123456, -0.9876543, 0.5555555]",
        "the price is 1,234,567.89 EUR",
        "0x1f and 0xdeadbeef",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "https://example.com:8080/path?page=2&q=hello",
    };
    for (size_t i = 0; i < COUNT_OF(harmless); i++)
        assert_string_equal(plain(*state, harmless[i]), harmless[i]);
}

static void rules_have_good_shapes_and_names(void **state)
{
    struct fixture *fixture = *state;
    assert_true(redactor_kind_count(fixture->redactor) >= 60);
    for (size_t i = 0; i < rule_count; i++) {
        str kind = str_from_c(rule_table[i].kind);
        /* "[kind:hash]" must not be an assignment to a password. */
        assert_false(str_ends(kind, STR_OF("password")));
        assert_false(str_ends(kind, STR_OF("api_key")));
        assert_false(str_ends(kind, STR_OF("secret")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_with_a_prefix_is_replaced),
        cmocka_unit_test(a_key_inside_a_longer_word_is_no_key),
        cmocka_unit_test(secrets_that_a_word_gives_away_are_replaced),
        cmocka_unit_test(personal_data_is_replaced),
        cmocka_unit_test(what_only_looks_like_it_survives),
        cmocka_unit_test(rules_have_good_shapes_and_names),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
