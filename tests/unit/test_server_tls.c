/* test_server_tls.c - settings of TLS towards servers: out of a transport into the page, found again, damage refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "common/rule/rule.h"
#include "master/compile/compile.h"
#include "master/tls/vault_inner.h"
#include "shm/generation.h"
#include "shm/secrets.h"
#include "shm/transports.h"

static struct slice point_names[] = {SLICE_INIT("web")};
static struct entry_point points[1];
static struct static_config config;
static struct model *model;
static struct slice certificate, key, other; /* PEM */

static struct slice pem_of(const char *label, struct slice der)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *bytes;
    struct slice copy;
    size_t len;

    assert_true(PEM_write_bio(bio, label, "", (const uint8_t *)der.ptr, (long)der.len) > 0);
    assert_int_equal(BIO_mem_contents(bio, &bytes, &len), 1);
    copy = pool_copy(model->pool, slice_of((const char *)bytes, len));
    BIO_free(bio);
    return copy;
}

static struct slice make_pair(struct slice *secret)
{
    struct keypair pair;
    struct error why;
    struct slice text;

    assert_int_equal(fallback_make(&pair, &why), 0);
    text = pem_of("CERTIFICATE", ((const struct slice *)pair.row.chain.items)[0]);
    if (secret) {
        *secret = pem_of("PRIVATE KEY", pair.row.key);
    }
    keypair_free(&pair);
    return text;
}

static int set_up(void **state)
{
    (void)state;
    memset(&config, 0, sizeof(config));
    memset(points, 0, sizeof(points));
    points[0].address = SLICE(":80");
    config.entry_points = (struct map){point_names, points, 1};
    model = model_new();
    certificate = make_pair(&key);
    other = make_pair(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    model_free(model);
    return 0;
}

static struct list list_of(size_t count, ...)
{
    struct slice *items = pool_alloc(model->pool, (count + 1) * sizeof(*items));
    va_list arguments;

    va_start(arguments, count);
    for (size_t i = 0; i < count; i++) {
        items[i] = va_arg(arguments, struct slice);
    }
    va_end(arguments);
    return (struct list){items, count};
}

/* A router, a service with one server of https, and its transport. */
static struct servers_transport *add(const char *name)
{
    struct slice text = slice_cstr(name), full = pool_printf(model->pool, "%s@file", name);
    struct http_router *router = model_add_router(model, full, SLICE("file"));
    struct http_service *service = model_add_service(model, full, SLICE("file"));
    struct server_config *server = pool_zalloc(model->pool, sizeof(*server));
    struct error why;

    router->config.service = full;
    router->config.rule = pool_printf(model->pool, "Host(`%s.test`)", name);
    assert_int_equal(rule_parse(model->pool, router->config.rule, RULE_V3, &router->rule, &why), 0);
    router->priority = 1;
    router->entry_points = (struct list){point_names, 1};
    server->url = SLICE("https://10.0.0.1");
    service->config.load_balancer = pool_zalloc(model->pool, sizeof(struct load_balancer));
    service->config.load_balancer->servers = (struct list){server, 1};
    service->config.load_balancer->servers_transport = text;
    return model_add_transport(model, full, SLICE("file"));
}

static struct generation *compile_now(void)
{
    struct page *pages[PAGE_PLACES];
    struct generation *generation;
    struct compiled compiled;
    struct error why = {""};
    size_t count;

    model_sort(model);
    assert_int_equal(compile_model(&config, model, NULL, 1, NULL, NULL, &compiled, &why), 0);
    assert_int_equal(compile_static(&config, &compiled.pages[PAGE_STATIC], &why), 0);
    count = compiled.count;
    for (size_t i = 0; i < count; i++) {
        int fd;

        assert_int_equal(page_seal(compiled.pages[i], i + 1, &fd, &why), 0);
        assert_int_equal(page_adopt(fd, page_kind_at(i), &pages[i], &why), 0);
        close(fd);
    }
    compiled_free(&compiled);
    if (generation_new(1, pages, count, NULL, &generation, &why) < 0) {
        fail_msg("%s", why.text);
    }
    return generation;
}

/* Number 0 is the default one; the others come by name. */
static const struct server_tls *settings(const struct generation *generation, uint32_t number)
{
    const struct page *page = generation->pages[PAGE_TRANSPORTS];

    return server_tls_at(page, transports_at(page, number)->tls);
}

static bool has_error(const struct element *element, const char *part)
{
    const struct list *errors = &element->errors;

    for (size_t i = 0; i < errors->count; i++) {
        if (slice_find_slice(((const struct slice *)errors->items)[i], slice_cstr(part)) >= 0) {
            return true;
        }
    }
    return false;
}

/* ---- the tests ---- */
static void every_option_gets_to_the_page(void **state)
{
    struct servers_transport *all = add("all");
    struct tls_certificate_file file = {certificate, key};
    struct peer_cert_san san = {SLICE("DNSName"), SLICE("a.test")};
    struct generation *generation;

    (void)state;
    all->config.server_name = SLICE("b.test");
    all->config.insecure_skip_verify = true;
    all->config.disable_http2 = true;
    all->config.root_cas = list_of(2, certificate, other);
    all->config.certificates = (struct list){&file, 1};
    all->config.cipher_suites = list_of(1, SLICE("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    all->config.min_version = SLICE("VersionTLS11");
    all->config.max_version = SLICE("VersionTLS12");
    all->config.peer_cert_sans = (struct list){&san, 1};
    all->config.peer_cert_uri = SLICE("spiffe://x");
    generation = compile_now();

    const struct page *page = generation->pages[PAGE_TRANSPORTS];
    const struct server_tls *row = settings(generation, 1);
    const struct server_san *sans = page_at(page, row->sans.items);
    const uint32_t *numbers = page_at(page, row->certificates.items);

    assert_true(slice_eq(page_text(page, row->server_name), SLICE("b.test")));
    assert_true(row->insecure && transports_at(page, 1)->http1_only == 1);
    assert_int_equal(row->min_version, 0x0302);
    assert_int_equal(row->max_version, 0x0303);
    assert_true(slice_eq(page_text(page, row->ciphers), SLICE("ECDHE-RSA-AES128-GCM-SHA256")));
    assert_int_not_equal(row->authorities, AUTHORITIES_SYSTEM);
    assert_int_equal(row->sans.count, 2);
    assert_true(slice_eq(page_text(page, sans[0].value), SLICE("a.test")) && !sans[0].is_uri);
    assert_true(slice_eq(page_text(page, sans[1].value), SLICE("spiffe://x")) && sans[1].is_uri);
    assert_int_equal(row->certificates.count, 1);
    assert_int_equal(secrets_certificate(generation->pages[PAGE_SECRETS], numbers[0])->kind,
                     CERTIFICATE_ECDSA);
    assert_int_equal(all->element.errors.count, 0);
    generation_unref(generation);
}

static void nothing_said_is_safe(void **state)
{
    struct generation *generation;

    (void)state;
    (void)add("plain");
    generation = compile_now();
    assert_int_equal(settings(generation, 1)->min_version, 0x0303);
    assert_int_equal(settings(generation, 1)->max_version, 0);
    assert_int_equal(settings(generation, 1)->authorities, AUTHORITIES_SYSTEM);
    assert_false(settings(generation, 1)->insecure);
    assert_int_equal(settings(generation, 0)->identity, settings(generation, 1)->identity);
    generation_unref(generation);
}

/* Without the identities that it asks for nobody is believed, whatever else it says. */
static void spiffe_believes_nobody(void **state)
{
    struct servers_transport *transport = add("spiffe");
    struct generation *generation;
    struct list read;
    struct error why;
    size_t count;

    (void)state;
    transport->config.spiffe = pool_zalloc(model->pool, 1);
    transport->config.insecure_skip_verify = true;
    transport->config.root_cas = list_of(1, other);
    generation = compile_now();

    const struct server_tls *row = settings(generation, 1);

    assert_true(
        has_error(&transport->element, "spiffe is not served by this build: no server is believed over it"));
    assert_false(row->insecure);
    assert_int_not_equal(row->authorities, AUTHORITIES_SYSTEM);
    assert_int_equal(authorities_read(other, model->pool, &read, &why), 0);
    assert_null(authorities_find(generation->pages[PAGE_TRANSPORTS], row->authorities,
                                 ((const struct authority *)read.items)[0].subject, &count));
    generation_unref(generation);
}

/* What nobody uses is looked at too, and gets no settings. */
static void unused_ones_are_told_of(void **state)
{
    struct servers_transport *unused = model_add_transport(model, SLICE("unused@file"), SLICE("file"));
    struct tcp_transport *tcp = layer4_add(model, TCP_TRANSPORT, SLICE("tcp@file"), SLICE("file"));
    struct tcp_client_tls *tls = pool_zalloc(model->pool, sizeof(*tls));
    struct tls_certificate_file nowhere = {SLICE("/nowhere/cert"), SLICE("/nowhere/key")};
    struct generation *generation;

    (void)state;
    (void)add("used");
    unused->config.min_version = SLICE("TLS12");
    tls->root_cas = list_of(1, SLICE("/nowhere/ca"));
    tls->certificates = (struct list){&nowhere, 1};
    tcp->config.tls = tls;
    generation = compile_now();
    assert_true(has_error(&unused->element, "invalid TLS minimum version: TLS12"));
    assert_true(has_error(&tcp->element, "rootCAs[0]: "));
    assert_true(has_error(&tcp->element, "certificates[0]: "));
    assert_null(transports_at(generation->pages[PAGE_TRANSPORTS], 2));
    assert_null(server_tls_at(generation->pages[PAGE_TRANSPORTS], 2));
    generation_unref(generation);
}

/* What differs in anything has other contexts and other idle connections. */
static void identities_tell_all_apart(void **state)
{
    struct servers_transport *each[] = {add("a"), add("b"), add("c"), add("d"), add("e"), add("f"), add("g")};
    struct tls_certificate_file file = {certificate, key};
    struct generation *generation;

    (void)state;
    each[1]->config.server_name = SLICE("x");
    each[2]->config.insecure_skip_verify = true;
    each[3]->config.root_cas = list_of(1, other);
    each[4]->config.certificates = (struct list){&file, 1};
    each[5]->config.min_version = SLICE("VersionTLS13");
    each[6]->config.peer_cert_uri = SLICE("x");
    generation = compile_now();
    for (uint32_t i = 1; i <= ARRAY_LEN(each); i++) {
        for (uint32_t k = 1; k < i; k++) {
            const struct page *page = generation->pages[PAGE_TRANSPORTS];

            assert_int_not_equal(settings(generation, i)->identity, settings(generation, k)->identity);
            assert_int_not_equal(transports_at(page, i)->identity, transports_at(page, k)->identity);
        }
    }
    generation_unref(generation);
}

static const struct {
    const char *title, *minimum, *maximum, *cipher, *error;
    bool kept; /* the rest of the settings */
} cases[] = {
    {"version unknown", "TLS9", "", "", "invalid TLS minimum version: TLS9", false},
    {"maximum unknown", "", "TLS9", "", "invalid TLS maximum version: TLS9", false},
    {"crossed", "VersionTLS13", "VersionTLS12", "", "VersionTLS13 is above the maximum version VersionTLS12",
     false},
    {"only a minimum", "VersionTLS13", "", "", NULL, true},
    {"low maximum", "", "VersionTLS11", "", NULL, true},
    {"cipher unknown", "", "", "TLS_NONE", "invalid CipherSuite: TLS_NONE", false},
    {"cipher of TLS 1.3", "", "", "TLS_AES_128_GCM_SHA256", NULL, true},
    {"none left", "", "VersionTLS12", "TLS_AES_128_GCM_SHA256", "no cipher suite is left", false},
};

static void bad_words_are_told_and_the_safe_settings_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct servers_transport *transport;
        struct generation *generation;

        model_free(model);
        model = model_new();
        transport = add("t");
        transport->config.insecure_skip_verify = true;
        transport->config.min_version = slice_cstr(cases[i].minimum);
        transport->config.max_version = slice_cstr(cases[i].maximum);
        if (cases[i].cipher[0]) {
            transport->config.cipher_suites = list_of(1, slice_cstr(cases[i].cipher));
        }
        generation = compile_now();
        if (settings(generation, 1)->insecure != cases[i].kept ||
            (cases[i].error ? !has_error(&transport->element, cases[i].error)
                            : transport->element.errors.count > 0)) {
            fail_msg("%s: %s", cases[i].title,
                     transport->element.errors.count ? "told otherwise" : "not told");
        }
        generation_unref(generation);
    }
}

static void authorities_are_found_by_their_subject(void **state)
{
    struct servers_transport *one = add("one"), *bad = add("two");
    struct generation *generation;
    const struct authority *found;
    const struct page *page;
    struct list read;
    struct error why;
    size_t count;

    (void)state;
    one->config.root_cas = list_of(2, certificate, other);
    bad->config.root_cas = list_of(1, SLICE("/nowhere/ca.pem"));
    assert_int_equal(authorities_read(certificate, model->pool, &read, &why), 0);
    generation = compile_now();
    page = generation->pages[PAGE_TRANSPORTS];
    found = authorities_find(page, settings(generation, 1)->authorities,
                             ((const struct authority *)read.items)[0].subject, &count);
    assert_int_equal(count, 2); /* both are called the same */
    assert_true(found != NULL && found[0].der.len > 100);
    assert_null(authorities_find(page, settings(generation, 1)->authorities, 1, &count));
    assert_true(has_error(&bad->element, "rootCAs[0]: "));
    assert_null(authorities_find(page, settings(generation, 2)->authorities,
                                 ((const struct authority *)read.items)[0].subject,
                                 &count)); /* nobody is believed */
    generation_unref(generation);
}

static void a_certificate_that_cannot_be_read_is_told(void **state)
{
    struct servers_transport *transport = add("t");
    struct tls_certificate_file files[] = {{other, key}, {certificate, key}};
    struct generation *generation;

    (void)state;
    transport->config.certificates = (struct list){files, 2};
    generation = compile_now();
    assert_true(has_error(&transport->element, "certificates[0]: the key is not that of the certificate"));
    assert_int_equal(settings(generation, 1)->certificates.count, 1);
    generation_unref(generation);
}

/* Offsets are checked before anybody follows them. */
static void damage_is_refused(void **state)
{
    static const struct server_tls rows[] = {{.server_name = SLICE_INIT("a")}};
    static const struct list sets[] = {{NULL, 0}};
    const struct server_tls_input input = {rows, 1, sets, 1};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct page_builder *builder = builder_new(PAGE_TRANSPORTS);
        struct server_tls *row;
        struct page *page;
        struct error why = {""};
        uint64_t at;
        int fd;

        transports_build(builder, NULL, 0, &input);
        assert_int_equal(page_seal(builder, 1, &fd, &why), 0);
        assert_int_equal(page_adopt(fd, PAGE_TRANSPORTS, &page, &why), 0);
        close(fd);
        assert_int_equal(transports_check(page, &why), 0);
        at = page_offset(page, server_tls_at(page, 0));
        page_unref(page);
        row = builder_at(builder, at);
        if (i == 0) {
            row->server_name.len = 1 << 20;
        } else if (i == 1) {
            row->authorities = 1;
        } else if (i == 2) {
            *(uint8_t *)&row->insecure = 2;
        } else {
            row->certificates.count = 1 << 20;
        }
        assert_int_equal(page_seal(builder, 1, &fd, &why), 0);
        builder_free(builder);
        assert_int_equal(page_adopt(fd, PAGE_TRANSPORTS, &page, &why), 0);
        close(fd);
        assert_int_equal(transports_check(page, &why), -EBADMSG);
        assert_string_equal(why.text, "transports page: settings of TLS 0 are damaged");
        page_unref(page);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_option_gets_to_the_page),
        TEST(nothing_said_is_safe),
        TEST(spiffe_believes_nobody),
        TEST(unused_ones_are_told_of),
        TEST(identities_tell_all_apart),
        TEST(bad_words_are_told_and_the_safe_settings_hold),
        TEST(authorities_are_found_by_their_subject),
        TEST(a_certificate_that_cannot_be_read_is_told),
        TEST(damage_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
