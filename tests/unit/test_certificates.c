/* test_certificates.c - pages of certificates: what is built is found, and one certificate is one page; the secrets page. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/hash.h"
#include "common/base/pool.h"
#include "shm/secrets.h"
#include "tests/unit/sealed_page.h"

#define CERTIFICATES 200

static struct pool *pool;

/* ---- a set of certificates, one for each name ---- */
struct set {
    struct page *pages[PAGE_SERVICES];
    uint64_t hashes[CERTIFICATE_GROUPS];
};

static uint64_t id_of(struct slice name, uint32_t kind)
{
    return certificate_id(hash_slice(kind, name), name);
}

static struct certificate_row row_of(struct slice name, uint32_t kind, const char *text)
{
    struct slice *chain = pool_alloc(pool, sizeof(*chain));

    *chain = pool_printf(pool, "%.*s %s", SLICE_ARG(name), text);
    return (struct certificate_row){
        .chain = {chain, 1}, .key = SLICE("key"), .identity = 1, .kind = kind, .id = id_of(name, kind)};
}

static void make(struct set *set, const struct slice *names, size_t count, size_t renewed)
{
    for (unsigned group = 0; group < CERTIFICATE_GROUPS; group++) {
        struct page_builder *builder = builder_new(PAGE_CERTIFICATES);
        struct certificate_row rows[CERTIFICATES];
        struct certificate_name named[CERTIFICATES];
        size_t here = 0;
        struct error why;

        for (size_t i = 0; i < count; i++) {
            if (certificates_group(names[i]) == group) {
                rows[here] = row_of(names[i], CERTIFICATE_RSA, i == renewed ? "renewed" : "first");
                named[here++] = (struct certificate_name){
                    .name = names[i], .certificates[CERTIFICATE_RSA] = id_of(names[i], CERTIFICATE_RSA)};
            }
        }
        certificates_build(builder, &(struct certificates_input){rows, here, named, here});
        set->hashes[group] = builder_hash(builder);
        set->pages[PAGE_CERTIFICATES + group] = sealed_page(builder, PAGE_CERTIFICATES);
        assert_int_equal(certificates_check(set->pages[PAGE_CERTIFICATES + group], &why), 0);
    }
}

static void drop(struct set *set)
{
    for (size_t i = 0; i < CERTIFICATE_GROUPS; i++) {
        page_unref(set->pages[PAGE_CERTIFICATES + i]);
    }
}

static const struct slice *names_of(size_t count)
{
    struct slice *names = pool_alloc(pool, count * sizeof(*names));

    for (size_t i = 0; i < count; i++) {
        names[i] = pool_printf(pool, i % 4 ? "n%zu.test" : "*.w%zu.test", i);
    }
    return names;
}

/* ---- the tests ---- */
static void each_name_finds_its_own(void **state)
{
    const struct slice *names = names_of(CERTIFICATES);
    struct certificate_choice found;
    struct set set;

    (void)state;
    make(&set, names, CERTIFICATES, CERTIFICATES);
    for (size_t i = 0; i < CERTIFICATES; i++) {
        assert_true(certificates_find(set.pages, names[i], &found));
        assert_null(found.rows[CERTIFICATE_ECDSA]);
        assert_null(found.rows[CERTIFICATE_ED25519]);

        const struct certificate_row *row = found.rows[CERTIFICATE_RSA];
        const struct page *page = found.pages[CERTIFICATE_RSA];
        const struct slice *chain = page_at(page, row->chain.items);

        assert_true(slice_has_prefix(page_text(page, chain[0]), names[i]));
        assert_true(slice_eq(page_text(page, row->key), SLICE("key")));
    }
    drop(&set);
}

static void who_is_covered(void **state)
{
    static const struct {
        struct slice name;
        bool found;
    } cases[] = {
        {SLICE_INIT("n1.test"), true},      {SLICE_INIT("a.w4.test"), true},  {SLICE_INIT("w4.test"), false},
        {SLICE_INIT("a.b.w4.test"), false}, {SLICE_INIT("a.n1.test"), false}, {SLICE_INIT(""), false},
        {SLICE_INIT("."), false},           {SLICE_INIT("n1"), false},
    };
    const struct slice *names = names_of(8);
    struct certificate_choice found;
    struct set set;

    (void)state;
    make(&set, names, 8, 8);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(certificates_find(set.pages, cases[i].name, &found), cases[i].found);
    }
    drop(&set);
}

static void pages_that_differ(const struct set *one, const struct set *other, unsigned wanted)
{
    for (unsigned group = 0; group < CERTIFICATE_GROUPS; group++) {
        assert_int_equal(one->hashes[group] != other->hashes[group], group == wanted);
    }
}

static void one_that_changes_is_one_page(void **state)
{
    const struct slice *names = names_of(CERTIFICATES);
    struct set before, after, fewer;

    (void)state;
    make(&before, names, CERTIFICATES, CERTIFICATES);
    make(&after, names, CERTIFICATES, 17);
    make(&fewer, names, CERTIFICATES - 1, CERTIFICATES);
    pages_that_differ(&before, &after, certificates_group(names[17]));
    pages_that_differ(&before, &fewer, certificates_group(names[CERTIFICATES - 1]));
    drop(&before);
    drop(&after);
    drop(&fewer);
}

static void ids_say_where(void **state)
{
    const struct slice *names = names_of(CERTIFICATES);
    unsigned used = 0, groups[CERTIFICATE_GROUPS] = {0};

    (void)state;
    for (size_t i = 0; i < CERTIFICATES; i++) {
        unsigned group = certificates_group(names[i]);

        assert_true(group < CERTIFICATE_GROUPS);
        assert_int_equal(certificate_id_group(certificate_id(i, names[i])), group);
        assert_true(certificate_id(0, names[i]) != 0);
        used += groups[group]++ == 0;
    }
    assert_true(used > CERTIFICATE_GROUPS / 2);
}

/* A name whose certificate is not there gets none; nothing else happens. */
static void an_id_of_nobody(void **state)
{
    const struct slice *names = names_of(2);
    struct certificate_choice found;
    unsigned group = certificates_group(names[1]);
    struct set set;

    (void)state;
    make(&set, names, 2, 2);

    struct page_builder *builder = builder_new(PAGE_CERTIFICATES);
    struct certificate_name name = {.name = names[1], .certificates = {7, 0, UINT64_MAX}};

    page_unref(set.pages[PAGE_CERTIFICATES + group]);
    certificates_build(builder, &(struct certificates_input){.names = &name, .name_count = 1});
    set.pages[PAGE_CERTIFICATES + group] = sealed_page(builder, PAGE_CERTIFICATES);
    assert_true(certificates_find(set.pages, names[1], &found));
    for (size_t kind = 0; kind < CERTIFICATE_KINDS; kind++) {
        assert_null(found.rows[kind]);
    }
    drop(&set);
}

static void damaged_ones_are_refused(void **state)
{
    static const struct {
        uint32_t kind;
        size_t chain;
        int rc;
    } cases[] = {
        {CERTIFICATE_ED25519, 1, 0},
        {CERTIFICATE_KINDS, 1, -EBADMSG},
        {CERTIFICATE_RSA, 0, -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page_builder *builder = builder_new(PAGE_CERTIFICATES);
        struct certificate_row row = row_of(SLICE("a.test"), cases[i].kind, "");
        struct error why;

        row.chain.count = cases[i].chain;
        certificates_build(builder, &(struct certificates_input){.rows = &row, .row_count = 1});

        struct page *page = sealed_page(builder, PAGE_CERTIFICATES);

        assert_int_equal(certificates_check(page, &why), cases[i].rc);
        page_unref(page);
    }
}

static void the_secrets_page(void **state)
{
    static const struct ticket_key tickets[2] = {{.name = "new", .key = "n"}, {.name = "old", .key = "o"}};
    struct certificate_row rows[2] = {row_of(SLICE("c.test"), CERTIFICATE_ECDSA, "client"),
                                      row_of(SLICE("d.test"), CERTIFICATE_RSA, "default")};
    struct secrets_input input = {rows, 2, tickets, 2, {CERTIFICATE_NONE, 1, CERTIFICATE_NONE}};
    struct page_builder *builder = builder_new(PAGE_SECRETS);
    struct certificate_choice found;
    struct error why;
    size_t count;

    (void)state;
    secrets_build(builder, &input);

    struct page *page = sealed_page(builder, PAGE_SECRETS);

    assert_int_equal(secrets_check(page, &why), 0);
    assert_int_equal(secrets_certificate(page, 0)->kind, CERTIFICATE_ECDSA);
    assert_null(secrets_certificate(page, 2));
    assert_null(secrets_certificate(page, CERTIFICATE_NONE));
    secrets_fallback(page, &found);
    assert_null(found.rows[CERTIFICATE_ECDSA]);
    assert_ptr_equal(found.rows[CERTIFICATE_RSA], secrets_certificate(page, 1));
    assert_memory_equal(tickets_at(page, &count), tickets, sizeof(tickets));
    assert_int_equal(count, 2);
    page_unref(page);

    builder = builder_new(PAGE_SECRETS);
    input.fallback[CERTIFICATE_RSA] = 2;
    secrets_build(builder, &input);
    page = sealed_page(builder, PAGE_SECRETS);
    assert_int_equal(secrets_check(page, &why), -EBADMSG);
    page_unref(page);
}

static int setup(void **state)
{
    (void)state;
    pool = pool_new(4096, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pool_free(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_name_finds_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_covered, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_changes_is_one_page, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_say_where, setup, teardown),
        cmocka_unit_test_setup_teardown(an_id_of_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_ones_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_secrets_page, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
