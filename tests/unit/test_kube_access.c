/*
 * test_kube_access.c - which API server and whose credentials: pods, kubeconfig files, options; words of every refusal;
 * no secret in any of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "master/kube/access.h"
#include "tests/unit/provider_helper.h"

static char *directory;

static int set_up(void **state)
{
    (void)state;
    directory = directory_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    directory_remove(directory);
    return 0;
}

/* All of it in one line, files without their folder. */
static void show(const struct kube_access *access, char *buf, size_t size)
{
    struct text all, fields;
    struct error why;
    char *at;

    text_init(&all);
    text_init(&fields);
    text_add_cstr(&fields, "");
    if (kube_access_fields(access, &fields, &why) < 0) {
        text_add_cstr(&fields, why.text);
    }
    text_printf(&all, "%s %.*s:%u%.*s%s%s%.*s", access->tls ? "https" : "http", SLICE_ARG(access->host),
                (unsigned)access->port, SLICE_ARG(access->prefix), access->insecure ? " insecure" : "",
                access->tls_name.len ? " name=" : "", SLICE_ARG(access->tls_name));
    text_printf(&all, " ca=%.*s|%.*s cert=%.*s|%.*s key=%.*s|%.*s", SLICE_ARG(access->ca.file),
                SLICE_ARG(access->ca.data), SLICE_ARG(access->certificate.file),
                SLICE_ARG(access->certificate.data), SLICE_ARG(access->key.file),
                SLICE_ARG(access->key.data));
    text_printf(&all, " %.*s", (int)strcspn(fields.ptr, "\r"), fields.ptr);
    buf[0] = '\0';
    for (const char *from = all.ptr; *from; from = at ? at + strlen(directory) : from + strlen(from)) {
        size_t used = strlen(buf);

        at = strstr(from, directory);
        (void)snprintf(buf + used, size - used, "%.*s%s", at ? (int)(at - from) : (int)strlen(from), from,
                       at ? "DIR" : "");
    }
    text_free(&all);
    text_free(&fields);
}

static void expect(const struct kube_options *options, const struct kube_places *places, const char *want)
{
    struct kube_access *access = NULL;
    char shown[2048];
    struct error why = {""};
    int rc = kube_access_find(options, places, &access, &why);

    if (rc < 0) {
        (void)snprintf(shown, sizeof(shown), "refused: %s", why.text);
        assert_null(access);
        assert_null(strstr(why.text, "s3cret"));
    } else {
        show(access, shown, sizeof(shown));
    }
    if (rc < 0 ? strstr(shown, want) == NULL : strcmp(shown, want) != 0) {
        fail_msg("\n  got \"%s\"\n want \"%s\"", shown, want);
    }
    kube_access_free(access);
}

static void pods_and_options(void **state)
{
    static const struct {
        const char *host, *port;
        struct kube_options options;
        const char *want;
    } cases[] = {
        {"10.96.0.1",
         "443",
         {.token = {NULL, 0}},
         "https 10.96.0.1:443 ca=DIR/ca.crt| cert=| key=| Authorization: Bearer pod-token"},
        {"fd00::1",
         "6443",
         {.token = {NULL, 0}},
         "https fd00::1:6443 ca=DIR/ca.crt| cert=| key=| Authorization: Bearer pod-token"},
        {"10.96.0.1",
         "443",
         {.endpoint = SLICE_INIT("https://api.test:6443/k8s/"), .token = SLICE_INIT("ignored")},
         "https api.test:6443/k8s ca=DIR/ca.crt| cert=| key=| Authorization: Bearer pod-token"},
        {NULL, NULL, {.token = {NULL, 0}}, "refused: there is no API server to ask"},
        {"10.96.0.1", NULL, {.token = {NULL, 0}}, "refused: there is no API server to ask"},
        {NULL,
         NULL,
         {.endpoint = SLICE_INIT("https://api.test"),
          .token = SLICE_INIT("s3cret"),
          .ca_file = SLICE_INIT("/x/ca.pem")},
         "https api.test:443 ca=/x/ca.pem| cert=| key=| Authorization: Bearer s3cret"},
        {NULL,
         NULL,
         {.endpoint = SLICE_INIT("http://127.0.0.1:8001")},
         "http 127.0.0.1:8001 ca=| cert=| key=| "},
        {NULL,
         NULL,
         {.endpoint = SLICE_INIT("api.test:6443")},
         "refused: endpoint: \"api.test:6443\" is no URL"},
        {NULL,
         NULL,
         {.endpoint = SLICE_INIT("https://s3cret@api.test")},
         "refused: endpoint: no URL of an API server"},
        {NULL,
         NULL,
         {.endpoint = SLICE_INIT("https://api.test"), .token = SLICE_INIT("two\nlines")},
         "https api.test:443 ca=| cert=| key=| token: is no bearer token"},
    };

    (void)state;
    directory_write(directory, "token", "pod-token\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct kube_places places = {
            .service_host = cases[i].host, .service_port = cases[i].port, .account = directory};

        print_message("case %zu\n", i);
        expect(&cases[i].options, &places, cases[i].want);
    }
}

static void tokens_in_files_are_read_each_time(void **state)
{
    char path[512];
    struct kube_options options = {.endpoint = SLICE("https://api.test")};
    const struct kube_places none = {0};
    struct kube_access *access;
    struct text fields;
    struct error why;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/token", directory);
    directory_write(directory, "token", "first");
    options.token = slice_cstr(path);
    assert_int_equal(kube_access_find(&options, &none, &access, &why), 0);
    text_init(&fields);
    assert_int_equal(kube_access_fields(access, &fields, &why), 0);
    assert_string_equal(fields.ptr, "Authorization: Bearer first\r\n");
    directory_write(directory, "token", "second\n");
    text_clear(&fields);
    assert_int_equal(kube_access_fields(access, &fields, &why), 0);
    assert_string_equal(fields.ptr, "Authorization: Bearer second\r\n");
    directory_delete(directory, "token");
    text_clear(&fields);
    assert_int_equal(kube_access_fields(access, &fields, &why), -ENOENT);
    text_free(&fields);
    kube_access_free(access);
}

#define CONFIG(cluster, user)                                                                                \
    "apiVersion: v1\nkind: Config\ncurrent-context: one\n"                                                   \
    "contexts:\n- {name: other, context: {cluster: nowhere}}\n- {name: one, context: {cluster: c, user: "    \
    "u}}\n"                                                                                                  \
    "clusters:\n- {name: c, cluster: {" cluster "}}\nusers:\n- {name: x, user: {exec: {command: y}}}\n"      \
    "- {name: u, user: {" user "}}\n"

static void kubeconfig_files(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {CONFIG("server: 'https://k.test:6443', certificate-authority: ca.crt", "token: s3cret"),
         "https k.test:6443 ca=DIR/ca.crt| cert=| key=| Authorization: Bearer s3cret"},
        {CONFIG("server: 'https://k.test', certificate-authority-data: 'Y2EgZGF0\n   YQ=='",
                "client-certificate: /abs/c.crt, client-key: sub/c.key, tokenFile: tok"),
         "https k.test:443 ca=|ca data cert=/abs/c.crt| key=DIR/sub/c.key| Authorization: Bearer from-file"},
        {CONFIG("server: 'https://k.test', insecure-skip-tls-verify: true, tls-server-name: kubernetes",
                "client-certificate-data: Y2VydA==, client-key-data: a2V5, client-key: ignored, token: ''"),
         "https k.test:443 insecure name=kubernetes ca=| cert=|cert key=DIR/ignored|key "},
        {CONFIG("server: 'https://k.test'", "token: t, tokenFile: tok"),
         "https k.test:443 ca=| cert=| key=| Authorization: Bearer from-file"},
        {"{\"current-context\":\"a\",\"contexts\":[{\"name\":\"a\",\"context\":{\"cluster\":\"b\"}}],"
         "\"clusters\":[{\"name\":\"b\",\"cluster\":{\"server\":\"http://[::1]:8001/p\"}}]}",
         "http ::1:8001/p ca=| cert=| key=| "},
        {CONFIG("server: 'https://k.test'", "exec: {command: aws, args: [s3cret]}"),
         "exec: programs are not run to get credentials: write a token"},
        {CONFIG("server: 'https://k.test'", "auth-provider: {name: gcp}"), "auth-provider: is not supported"},
        {CONFIG("server: 'https://k.test'", "username: a, password: s3cret"),
         "username: API servers take no passwords"},
        {CONFIG("server: 'https://k.test'", "as: root"), "as: acting as another user"},
        {CONFIG("server: 'https://k.test', proxy-url: 'http://p'", ""),
         "proxy-url: proxies are not spoken to"},
        {CONFIG("server: 'https://k.test', certificate-authority-data: '***'", ""),
         "certificate-authority-data: is no base64"},
        {CONFIG("server: 'https://k.test', certificate-authority: x, insecure-skip-tls-verify: true", ""),
         "contradicts certificate-authority"},
        {CONFIG("server: 'https://k.test', insecure-skip-tls-verify: perhaps", ""),
         "true or false is expected"},
        {CONFIG("server: 'k.test:6443'", ""), "server: \"k.test:6443\" is no URL"},
        {CONFIG("certificate-authority: ca.crt", ""), "server: \"\" is no URL"},
        {"current-context: a\ncontexts: [{name: b, context: {}}]\n", "contexts: there is none named \"a\""},
        {"current-context: a\ncontexts: [{name: a, context: {cluster: z}}]\n",
         "clusters: there is none named \"z\""},
        {"contexts: []\n", "current-context: is missing: choose one"},
        {"- a\n", "a mapping is expected"},
        {"a: [\n", "DIR/config:2"},
    };

    (void)state;
    directory_write(directory, "tok", "from-file");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct kube_options options = {.endpoint = SLICE("https://not.asked")};
        char path[512], want[512];
        const struct kube_places places = {.kubeconfig = path};

        print_message("case %zu\n", i);
        directory_write(directory, "config", cases[i].text);
        (void)snprintf(path, sizeof(path), "%s/config", directory);
        if (strncmp(cases[i].want, "DIR/", 4) == 0) { /* a message names the whole path */
            (void)snprintf(want, sizeof(want), "%s%s", directory, cases[i].want + 3);
        } else {
            (void)snprintf(want, sizeof(want), "%s", cases[i].want);
        }
        expect(&options, &places, want);
    }
}

static void unreadable_files_are_named(void **state)
{
    char path[512];
    const struct kube_places places = {.kubeconfig = path};
    const struct kube_options options = {.token = {NULL, 0}};
    struct kube_access *access;
    struct tls_context *tls;
    struct error why;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/none", directory);
    expect(&options, &places, "cannot open: No such file");
    (void)snprintf(path, sizeof(path), "%s/config", directory);
    directory_write(directory, "config",
                    CONFIG("server: 'https://k.test', certificate-authority: gone.crt", ""));
    assert_int_equal(kube_access_find(&options, &places, &access, &why), 0);
    assert_int_equal(kube_access_tls(access, &tls, &why), -ENOENT);
    assert_non_null(strstr(why.text, "certificate authority"));
    assert_non_null(strstr(why.text, "/gone.crt"));
    kube_access_free(access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pods_and_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tokens_in_files_are_read_each_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kubeconfig_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unreadable_files_are_named, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
