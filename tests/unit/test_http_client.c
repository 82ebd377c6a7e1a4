/*
 * test_http_client.c - the HTTP client against real servers (https_server.py): what it takes, what it refuses, and that
 * nothing hangs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/text.h"
#include "common/http/client.h"

#define LONG_MS 30000
#define SHORT_MS 300

static struct {
    pid_t pid;
    int in;
    char folder[256];
    struct {
        char name[32];
        unsigned port;
    } ports[16];
    size_t count;
} server;

static struct {
    struct text body;
    unsigned status, done, pieces;
    int rc;
    struct error why;
    struct http_call *call;
    bool cancel_at_head, cancel_at_body;
} seen;

static uv_loop_t loop;

/* ---- the servers ---- */
static int start_servers(void **state)
{
    int in[2], out[2];
    char line[512], name[256], value[256];
    FILE *from;

    (void)state;
    if (pipe(in) == -1 || pipe(out) == -1 || (server.pid = fork()) == -1) {
        return -1;
    }
    if (server.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        execl("/usr/bin/python3", "python3", UNIT_DIR "/https_server.py", NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server.in = in[1];
    from = fdopen(out[0], "r");
    while (from && fgets(line, sizeof(line), from) && strcmp(line, "ready\n") != 0) {
        if (sscanf(line, "%255s %255s", name, value) != 2) {
            continue;
        }
        if (strcmp(name, "folder") == 0) {
            (void)snprintf(server.folder, sizeof(server.folder), "%s", value);
        } else {
            (void)snprintf(server.ports[server.count].name, sizeof(server.ports[0].name), "%.31s", name);
            server.ports[server.count++].port = (unsigned)strtoul(value, NULL, 10);
        }
    }
    if (from) {
        fclose(from);
    }
    return server.count > 0 ? 0 : -1;
}

static int stop_servers(void **state)
{
    (void)state;
    close(server.in);
    return waitpid(server.pid, NULL, 0) == server.pid ? 0 : -1;
}

static uint16_t port_of(const char *name)
{
    for (size_t i = 0; i < server.count; i++) {
        if (strcmp(server.ports[i].name, name) == 0) {
            return (uint16_t)server.ports[i].port;
        }
    }
    fail_msg("no server %s", name);
    return 0;
}

static struct text file_text(const char *name)
{
    char path[512], buf[4096];
    struct text text;
    size_t got;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", server.folder, name);
    text_init(&text);
    file = fopen(path, "r");
    assert_non_null(file);
    while ((got = fread(buf, 1, sizeof(buf), file)) > 0) {
        text_add(&text, slice_of(buf, got));
    }
    fclose(file);
    return text;
}

/* ---- asking ---- */
static void on_head(void *context, const struct h1_message *message)
{
    (void)context;
    seen.status = message->status;
    if (seen.cancel_at_head) {
        http_call_cancel(seen.call);
        seen.call = NULL;
    }
}

static void on_body(void *context, struct slice piece)
{
    (void)context;
    seen.pieces++;
    text_add(&seen.body, piece);
    if (seen.cancel_at_body) {
        http_call_cancel(seen.call);
        seen.call = NULL;
    }
}

static void on_done(void *context, int rc, const struct error *why)
{
    (void)context;
    seen.done++;
    seen.rc = rc;
    seen.why.text[0] = '\0';
    if (why) {
        seen.why = *why;
    }
    seen.call = NULL;
}

static const struct http_handlers handlers = {on_head, on_body, on_done};

static void ask_for(struct http_client *client, const struct http_request *request)
{
    text_clear(&seen.body);
    seen.status = seen.done = seen.pieces = 0;
    seen.rc = 1;
    seen.call = http_client_call(client, request, &handlers, NULL);
    assert_int_equal(seen.done, 0);
    while (seen.call) {
        uv_run(&loop, UV_RUN_ONCE);
    }
}

static void ask(struct http_client *client, const char *target, unsigned head_ms, unsigned read_ms)
{
    struct http_request request = {
        .method = SLICE("GET"), .target = slice_cstr(target), .head_ms = head_ms, .read_ms = read_ms};

    ask_for(client, &request);
}

static struct tls_context *trusting(const char *authority, bool insecure, const char *own)
{
    struct tls_client_options options = {.insecure = insecure};
    struct text ca, certificate, key;
    struct tls_context *context;
    struct error why;
    char name[64];

    ca = authority ? file_text(authority) : (struct text){0};
    options.ca = text_slice(&ca);
    text_init(&certificate);
    text_init(&key);
    if (own) {
        (void)snprintf(name, sizeof(name), "%s.crt", own);
        certificate = file_text(name);
        (void)snprintf(name, sizeof(name), "%s.key", own);
        key = file_text(name);
        options.certificate = text_slice(&certificate);
        options.key = text_slice(&key);
    }
    if (tls_context_client(&options, &context, &why) < 0) {
        fail_msg("%s", why.text);
    }
    text_free(&ca);
    text_free(&certificate);
    text_free(&key);
    return context;
}

static struct http_client *client_to(uint16_t port, const char *host, struct tls_context *tls,
                                     const char *name, unsigned connect_ms)
{
    struct http_client_options options = {.host = slice_cstr(host),
                                          .port = port,
                                          .tls = tls,
                                          .server_name = slice_cstr(name),
                                          .connect_ms = connect_ms,
                                          .idle_ms = LONG_MS};
    struct http_client *client;
    struct error why;

    assert_int_equal(http_client_new(&loop, &options, &client, &why), 0);
    tls_context_unref(tls);
    return client;
}

static void end(struct http_client *client)
{
    http_client_close(client);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_alive(&loop), 0);
}

static void expect_body(const char *body)
{
    if (seen.rc != 0) {
        fail_msg("%s", seen.why.text);
    }
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.body.len, strlen(body));
    assert_memory_equal(seen.body.ptr, body, strlen(body));
}

static void expect_failure(int rc, const char *words)
{
    assert_int_equal(seen.done, 1);
    if (seen.rc != rc || strstr(seen.why.text, words) == NULL) {
        fail_msg("%d \"%s\", expected %d \"%s\"", seen.rc, seen.why.text, rc, words);
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    text_init(&seen.body);
    return uv_loop_init(&loop);
}

static int tear_down(void **state)
{
    (void)state;
    text_free(&seen.body);
    return uv_loop_close(&loop);
}

/* ---- cases ---- */
static void bodies_of_every_framing_arrive_whole(void **state)
{
    static const char *const servers[] = {"plain", "good"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct http_client *client = client_to(port_of(servers[i]), "127.0.0.1",
                                               i ? trusting("ca.crt", false, NULL) : NULL, NULL, LONG_MS);

        ask(client, "/chunked", LONG_MS, LONG_MS);
        expect_body("first second third");
        ask(client, "/continue", LONG_MS, LONG_MS);
        expect_body("after");
        ask(client, "/until-close", LONG_MS, LONG_MS);
        expect_body("the rest");
        ask(client, "/big", LONG_MS, LONG_MS);
        assert_int_equal(seen.rc, 0);
        assert_int_equal(seen.body.len, 80 * 65536);
        assert_true(seen.pieces > 10); /* handed on as it came */
        ask(client, "/nothing", LONG_MS, LONG_MS);
        assert_int_equal(seen.status, 404);
        end(client);
    }
}

static void a_request_carries_fields_and_body(void **state)
{
    struct http_client *client = client_to(port_of("plain"), "127.0.0.1", NULL, NULL, LONG_MS);
    struct http_request request = {.method = SLICE("POST"),
                                   .target = SLICE("/echo"),
                                   .fields = SLICE("Authorization: Bearer x\r\n"),
                                   .body = SLICE("{\"a\":1}"),
                                   .head_ms = LONG_MS,
                                   .read_ms = LONG_MS};
    char want[256];

    (void)state;
    ask_for(client, &request);
    (void)snprintf(
        want, sizeof(want),
        "POST /echo HTTP/1.1\nHost: 127.0.0.1:%u\nContent-Length: 7\nAuthorization: Bearer x\n\n{\"a\":1}",
        (unsigned)port_of("plain"));
    expect_body(want);
    end(client);
}

static void connections_are_kept_and_replaced(void **state)
{
    struct http_client *client =
        client_to(port_of("good"), "localhost", trusting("ca.crt", false, NULL), NULL, LONG_MS);
    char first[16];

    (void)state;
    ask(client, "/connection", LONG_MS, LONG_MS);
    assert_int_equal(seen.rc, 0);
    (void)snprintf(first, sizeof(first), "%s", seen.body.ptr);
    ask(client, "/connection", LONG_MS, LONG_MS);
    expect_body(first);
    ask(client, "/then-drop", LONG_MS, LONG_MS); /* the kept connection is gone when the next call wants it */
    expect_body(first);
    ask(client, "/connection", LONG_MS, LONG_MS);
    assert_int_equal(seen.rc, 0);
    assert_string_not_equal(seen.body.ptr, first);
    end(client);
}

static void certificates_are_verified(void **state)
{
    static const struct {
        const char *server, *host, *name, *authority, *words; /* NULL: good */
        bool insecure;
    } cases[] = {
        {"good", "127.0.0.1", NULL, "ca.crt", NULL, false},
        {"good", "localhost", NULL, "ca.crt", NULL, false},
        {"good", "127.0.0.1", "localhost", "ca.crt", NULL, false},
        {"good", "127.0.0.1", "kubernetes", "ca.crt", "ostname mismatch", false},
        {"good", "127.0.0.1", NULL, "other.crt", "unable to get local issuer certificate", false},
        {"good", "127.0.0.1", NULL, "good.crt", NULL, false}, /* trusted as it stands */
        {"misnamed", "127.0.0.1", NULL, "ca.crt", "IP address mismatch", false},
        {"misnamed", "localhost", NULL, "ca.crt", "ostname mismatch", false},
        {"misnamed", "127.0.0.1", "elsewhere.test", "ca.crt", NULL, false},
        {"expired", "127.0.0.1", NULL, "ca.crt", "expired", false},
        {"stranger", "127.0.0.1", NULL, "ca.crt", "unable to get local issuer certificate", false},
        {"stranger", "127.0.0.1", NULL, NULL, NULL, true},
        {"expired", "127.0.0.1", NULL, NULL, NULL, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_client *client =
            client_to(port_of(cases[i].server), cases[i].host,
                      trusting(cases[i].authority, cases[i].insecure, NULL), cases[i].name, LONG_MS);

        print_message("case %zu\n", i);
        ask(client, "/chunked", LONG_MS, LONG_MS);
        if (cases[i].words) {
            expect_failure(-EKEYREJECTED, cases[i].words);
        } else {
            expect_body("first second third");
        }
        end(client);
    }
}

static void a_client_certificate_is_shown_when_asked_for(void **state)
{
    struct http_client *client =
        client_to(port_of("demanding"), "127.0.0.1", trusting("ca.crt", false, "client"), NULL, LONG_MS);

    (void)state;
    ask(client, "/chunked", LONG_MS, LONG_MS);
    expect_body("first second third");
    end(client);
    client = client_to(port_of("demanding"), "127.0.0.1", trusting("ca.crt", false, NULL), NULL, LONG_MS);
    ask(client, "/chunked", LONG_MS, LONG_MS);
    assert_int_equal(seen.done, 1);
    assert_true(seen.rc < 0); /* the alert, or the reset behind it */
    end(client);
}

static void bad_keys_are_named(void **state)
{
    struct text ca = file_text("ca.crt"), certificate = file_text("client.crt"), key = file_text("good.key");
    const struct {
        struct tls_client_options options;
        const char *words;
    } cases[] = {
        {{.ca = SLICE("-----BEGIN CERTIFICATE-----\nnothing\n")}, "certificate authority: malformed"},
        {{.ca = SLICE("no PEM")}, "there is no certificate in it"},
        {{.ca = text_slice(&ca), .certificate = text_slice(&certificate)}, "go together"},
        {{.ca = text_slice(&ca), .certificate = text_slice(&certificate), .key = text_slice(&key)},
         "not that of"},
        {{.ca = text_slice(&ca), .certificate = SLICE("x"), .key = text_slice(&key)},
         "client certificate: malformed"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_context *context = NULL;
        struct error why = {""};

        print_message("case %zu\n", i);
        assert_int_equal(tls_context_client(&cases[i].options, &context, &why), -EINVAL);
        assert_null(context);
        if (!strstr(why.text, cases[i].words)) {
            fail_msg("\"%s\", expected \"%s\"", why.text, cases[i].words);
        }
    }
    text_free(&ca);
    text_free(&certificate);
    text_free(&key);
}

static void what_breaks_is_told(void **state)
{
    static const struct {
        const char *server, *target;
        unsigned connect_ms, head_ms, read_ms;
        int rc;
        const char *words;
    } cases[] = {
        {"good", "/hang", LONG_MS, SHORT_MS, LONG_MS, -ETIMEDOUT, "no answer within 300 ms"},
        {"good", "/trickle", LONG_MS, SHORT_MS, LONG_MS, -ETIMEDOUT, "no answer within 300 ms"},
        {"good", "/silent", LONG_MS, LONG_MS, SHORT_MS, -ETIMEDOUT, "silent for 300 ms"},
        {"good", "/reset", LONG_MS, LONG_MS, LONG_MS, -ECONNRESET, "connection reset"},
        {"plain", "/reset", LONG_MS, LONG_MS, LONG_MS, -ECONNRESET, "connection reset"},
        {"good", "/short", LONG_MS, LONG_MS, LONG_MS, -ECONNRESET, "closed the connection"},
        {"good", "/cut", LONG_MS, LONG_MS, LONG_MS, -ECONNRESET,
         "closed the connection"}, /* no close_notify */
        {"good", "/drop", LONG_MS, LONG_MS, LONG_MS, -ECONNRESET, "closed the connection"},
        {"plain", "/garbage", LONG_MS, LONG_MS, LONG_MS, -EPROTO, "malformed answer"},
        {"mute", "/", SHORT_MS, LONG_MS, LONG_MS, -ETIMEDOUT, "no TLS handshake within 300 ms"},
        {"plain", "/", LONG_MS, LONG_MS, LONG_MS, -EPROTO, "TLS with 127.0.0.1 fails"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool tls = strcmp(cases[i].server, "plain") != 0 || strcmp(cases[i].target, "/") == 0;
        struct http_client *client =
            client_to(port_of(cases[i].server), "127.0.0.1", tls ? trusting("ca.crt", false, NULL) : NULL,
                      NULL, cases[i].connect_ms);

        print_message("case %zu\n", i);
        ask(client, cases[i].target, cases[i].head_ms, cases[i].read_ms);
        expect_failure(cases[i].rc, cases[i].words);
        end(client);
    }
}

static void nobody_there_is_told(void **state)
{
    struct http_client *client = client_to(1, "127.0.0.1", NULL, NULL, LONG_MS);

    (void)state;
    ask(client, "/", LONG_MS, LONG_MS);
    expect_failure(-ECONNREFUSED, "cannot connect to 127.0.0.1 port 1");
    end(client);
    /* a label of more than 63 letters: no name server needs to be asked */
    client = client_to(80, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test",
                       NULL, NULL, LONG_MS);
    ask(client, "/", LONG_MS, LONG_MS);
    expect_failure(-EHOSTUNREACH, "cannot resolve aaaa");
    end(client);
}

static void a_call_can_be_cancelled_anywhere(void **state)
{
    struct http_client *client =
        client_to(port_of("good"), "127.0.0.1", trusting("ca.crt", false, NULL), NULL, LONG_MS);
    struct http_request request = {
        .method = SLICE("GET"), .target = SLICE("/silent"), .head_ms = LONG_MS, .read_ms = LONG_MS};

    (void)state;
    seen.cancel_at_head = true;
    ask(client, "/big", LONG_MS, LONG_MS);
    assert_int_equal(seen.done, 0);
    seen.cancel_at_head = false;
    seen.cancel_at_body = true;
    ask(client, "/big", LONG_MS, LONG_MS);
    assert_int_equal(seen.done, 0);
    assert_int_equal(seen.pieces, 1);
    seen.cancel_at_body = false;
    http_call_cancel(http_client_call(client, &request, &handlers, NULL)); /* before it began */
    for (int turns = 0; turns < 6; turns++) { /* in every state on the way: the client goes with its calls */
        (void)http_client_call(client, &request, &handlers, NULL);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    end(client);
    assert_int_equal(seen.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bodies_of_every_framing_arrive_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_carries_fields_and_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_are_kept_and_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(certificates_are_verified, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_certificate_is_shown_when_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_keys_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_breaks_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_there_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_can_be_cancelled_anywhere, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
