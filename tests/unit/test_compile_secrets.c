/* test_compile_secrets.c - which certificate is served for which name; what is made anew when keys of tickets alone are
 * others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ec_key.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/model/layer4.h"
#include "master/compile/compile.h"
#include "master/tls/vault.h"
#include "shm/secrets.h"

#define NOW INT64_C(1000000)
#define DAY INT64_C(86400)

static struct slice point_names[] = {SLICE_INIT("web")};
static struct entry_point points[1];
static struct static_config config;
static struct model *model;
static struct vault *vault;
static EVP_PKEY *secret;

/* ---- certificates ---- */
static X509 *make(const char *names)
{
    X509 *made = X509_new();
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, names);

    assert_non_null(extension);
    X509_gmtime_adj(X509_getm_notBefore(made), -60);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    assert_int_equal(X509_set_version(made, X509_VERSION_3), 1);
    assert_int_equal(X509_set_pubkey(made, secret), 1);
    assert_int_equal(X509_add_ext(made, extension, -1), 1);
    assert_true(X509_sign(made, secret, EVP_sha256()) > 0);
    X509_EXTENSION_free(extension);
    return made;
}

static struct slice taken(BIO *bio)
{
    const uint8_t *bytes;
    struct slice copy;
    size_t len;

    assert_int_equal(BIO_mem_contents(bio, &bytes, &len), 1);
    copy = pool_copy(model->pool, slice_of((const char *)bytes, len));
    BIO_free(bio);
    return copy;
}

/* The certificate in DER. */
static struct slice add(const char *name, const char *names)
{
    struct tls_keypair *object = layer4_add(model, TLS_CERTIFICATE, slice_cstr(name), SLICE("file"));
    BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem()), *der = BIO_new(BIO_s_mem());
    X509 *made = make(names);

    assert_int_equal(PEM_write_bio_X509(certificate, made), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(key, secret, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(i2d_X509_bio(der, made), 1);
    object->config.cert_file = taken(certificate);
    object->config.key_file = taken(key);
    X509_free(made);
    return taken(der);
}

/* ---- pages ---- */
struct set {
    struct compiled compiled;
    struct page *pages[PAGE_SERVICES];
};

static void compile_now(struct set *set)
{
    struct error why;

    vault_begin(vault);
    assert_int_equal(compile_model(&config, model, NULL, 1, NULL, vault, &set->compiled, &why), 0);
    vault_end(vault);
    for (size_t i = PAGE_SECRETS; i < PAGE_SERVICES; i++) {
        int fd;

        assert_int_equal(page_seal(set->compiled.pages[i], 1, &fd, &why), 0);
        assert_int_equal(page_adopt(fd, page_kind_at(i), &set->pages[i], &why), 0);
        close(fd);
    }
}

static void drop(struct set *set)
{
    for (size_t i = PAGE_SECRETS; i < PAGE_SERVICES; i++) {
        page_unref(set->pages[i]);
    }
    compiled_free(&set->compiled);
}

static bool gets(const struct set *set, const char *name, struct slice der)
{
    struct certificate_choice found;

    if (!certificates_find(set->pages, slice_cstr(name), &found) || !found.rows[CERTIFICATE_ECDSA]) {
        return false;
    }
    const struct page *page = found.pages[CERTIFICATE_ECDSA];
    const struct slice *chain = page_at(page, found.rows[CERTIFICATE_ECDSA]->chain.items);

    return slice_eq(page_text(page, chain[0]), der);
}

/* ---- the tests ---- */
/* Of two for one name the one whose names come later, of two for the same names the first, as in Traefik. */
static void the_best_for_a_name(void **state)
{
    struct slice both, again, one, wild;
    struct set set;

    (void)state;
    both = add("1", "DNS:a.test,DNS:b.test");
    again = add("2", "DNS:b.test,DNS:a.test");
    one = add("3", "DNS:b.test");
    wild = add("4", "DNS:*.W.test,IP:10.0.0.1");
    compile_now(&set);
    assert_true(gets(&set, "a.test", both) && !gets(&set, "a.test", again));
    assert_true(gets(&set, "b.test", one));
    assert_true(gets(&set, "x.w.test", wild) && gets(&set, "10.0.0.1", wild));
    assert_false(gets(&set, "w.test", wild));
    drop(&set);
}

static void a_renewed_one_is_one_page(void **state)
{
    struct tls_keypair *renewed;
    struct set before, after;
    unsigned differ = 0;
    struct slice der;

    (void)state;
    for (int i = 0; i < 20; i++) {
        (void)add("x", (const char *)pool_printf(model->pool, "DNS:n%d.test%c", i, 0).ptr);
    }
    compile_now(&before);
    der = add("y", "DNS:n7.test");
    renewed = (struct tls_keypair *)model->layer4[TLS_CERTIFICATE].items[20];
    ((struct tls_keypair *)model->layer4[TLS_CERTIFICATE].items[7])->config = renewed->config;
    model->layer4[TLS_CERTIFICATE].count--;
    compile_now(&after);
    assert_true(gets(&after, "n7.test", der) && !gets(&before, "n7.test", der));
    for (size_t i = PAGE_SECRETS; i < PAGE_SERVICES; i++) {
        bool same = builder_hash(before.compiled.pages[i]) == builder_hash(after.compiled.pages[i]);

        assert_int_equal(same, i != PAGE_CERTIFICATES + certificates_group(SLICE("n7.test")));
        differ += !same;
    }
    assert_int_equal(differ, 1);
    model->layer4[TLS_CERTIFICATE].count++;
    drop(&before);
    drop(&after);
}

static void a_key_of_tickets_is_the_secrets_page(void **state)
{
    struct compiled again = {.count = 0};
    struct set set;

    (void)state;
    (void)add("1", "DNS:a.test");
    assert_true(vault_rotate(vault, NOW));
    compile_now(&set);
    assert_true(vault_rotate(vault, NOW + DAY));
    assert_int_equal(compile_secrets_again(set.compiled.compiler, vault, &again), 0);
    for (size_t i = 0; i < PAGE_PLACES; i++) {
        assert_int_equal(again.pages[i] != NULL, i == PAGE_SECRETS);
    }
    assert_true(builder_hash(again.pages[PAGE_SECRETS]) != builder_hash(set.compiled.pages[PAGE_SECRETS]));
    builder_free(again.pages[PAGE_SECRETS]);
    again.pages[PAGE_SECRETS] = NULL;
    vault_begin(vault); /* another compile, which does not use the certificate */
    vault_end(vault);
    assert_int_equal(compile_secrets_again(set.compiled.compiler, vault, &again), -EAGAIN);
    drop(&set);
}

static int set_up(void **state)
{
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);

    (void)state;
    points[0].address = SLICE(":80");
    config.entry_points = (struct map){point_names, points, 1};
    model = model_new();
    vault = vault_new(true);
    secret = EVP_PKEY_new();
    assert_true(EC_KEY_generate_key(key) == 1 && EVP_PKEY_assign_EC_KEY(secret, key) == 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    model_free(model);
    vault_free(vault);
    EVP_PKEY_free(secret);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_best_for_a_name),
        TEST(a_renewed_one_is_one_page),
        TEST(a_key_of_tickets_is_the_secrets_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
