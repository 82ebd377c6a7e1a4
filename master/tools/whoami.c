/*
 * whoami.c - `weir whoami --port N [--name X] [--bind ADDRESS] [--delay 100ms] [--udp]`.
 */
#include "master/tools/whoami.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/title.h"
#include "common/face.h"
#include "common/schema/schema.h"

struct options {
    const char *bind;
    int port;
    struct slice name;
    int64_t delay_ns;
    bool udp;
};

static int usage(const char *wrong)
{
    (void)fprintf(stderr,
                  "weir whoami: %s\n"
                  "usage: weir whoami --port N [--name X] [--bind ADDRESS] [--delay 100ms] [--udp]\n",
                  wrong);
    return 1;
}

/* The value of "--name=value" or "--name value"; NULL when this argument is another one. */
static const char *value_of(const char *name, int argc, char **argv, int *at)
{
    const char *argument = argv[*at];
    size_t len = strlen(name);

    argument += argument[0] == '-' ? 1 : 0;
    argument += argument[0] == '-' ? 1 : 0;
    if (argument == argv[*at] || strncmp(argument, name, len) != 0) {
        return NULL;
    }
    if (argument[len] == '=') {
        return argument + len + 1;
    }
    if (argument[len] != '\0' || *at + 1 >= argc) {
        return NULL;
    }
    return argv[++*at];
}

/* The argument at *at, and its value behind it. */
static int parse_one(int argc, char **argv, int *at, struct options *options, struct error *why)
{
    static const char *const names[] = {"port", "name", "bind", "delay"};
    const char *argument = argv[*at], *value = NULL;
    size_t option = 0;
    uint64_t number;

    if (strcmp(argument, "--udp") == 0 || strcmp(argument, "-udp") == 0) {
        options->udp = true;
        return 0;
    }
    while (option < ARRAY_LEN(names) && (value = value_of(names[option], argc, argv, at)) == NULL) {
        if (argument[0] == '-' && strcmp(argument + strspn(argument, "-"), names[option]) == 0) {
            return error_set(why, -EINVAL, "--%s needs a value", names[option]);
        }
        option++;
    }
    switch (option) {
    case 0:
        if (!slice_to_u64(slice_cstr(value), &number) || number > 65535) {
            return error_set(why, -EINVAL, "--port: \"%.100s\" is no port", value);
        }
        options->port = (int)number;
        return 0;
    case 1:
        options->name = slice_cstr(value);
        return 0;
    case 2:
        options->bind = value;
        return 0;
    case 3:
        if (parse_duration(slice_cstr(value), &options->delay_ns, why) < 0 || options->delay_ns < 0) {
            return error_set(why, -EINVAL, "--delay: \"%.100s\" is no duration, as 100ms is", value);
        }
        return 0;
    default:
        return error_set(why, -EINVAL, "\"%.100s\" is no option", argument);
    }
}

/* ---- who we are ---- */
static void add_addresses(struct text *out)
{
    uv_interface_address_t *list;
    int count;

    if (uv_interface_addresses(&list, &count) != 0) {
        return;
    }
    for (int i = 0; i < count; i++) {
        char text[64] = "";

        if (list[i].address.address4.sin_family == AF_INET) {
            (void)uv_ip4_name(&list[i].address.address4, text, sizeof(text));
        } else {
            (void)uv_ip6_name(&list[i].address.address6, text, sizeof(text));
        }
        text_printf(out, "IP: %s\n", text);
    }
    uv_free_interface_addresses(list, count);
}

static void identify(struct whoami *whoami)
{
    if (gethostname(whoami->host_name, sizeof(whoami->host_name)) == -1) {
        whoami->host_name[0] = '\0';
    }
    whoami->host_name[sizeof(whoami->host_name) - 1] = '\0';
    text_init(&whoami->identity);
    if (whoami->name.len > 0) {
        text_printf(&whoami->identity, "Name: %.*s\n", SLICE_ARG(whoami->name));
    }
    text_printf(&whoami->identity, "Hostname: %s\n", whoami->host_name);
    add_addresses(&whoami->identity);
}

/* ---- UDP ---- */
static void on_datagram_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct whoami *whoami = handle->data;

    (void)suggested;
    *buf = uv_buf_init(whoami->buffer, sizeof(whoami->buffer));
}

static void on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                        unsigned flags)
{
    struct whoami *whoami = udp->data;
    struct text answer;

    (void)flags;
    if (n < 0 || from == NULL) {
        return;
    }
    struct slice content = slice_of(buf->base, (size_t)n);

    text_init(&answer);
    if (slice_eq(slice_trim(content), SLICE("WHO"))) {
        text_add(&answer, text_slice(&whoami->identity));
    } else {
        text_add(&answer, SLICE("Received: "));
        text_add(&answer, content);
    }
    uv_buf_t out = uv_buf_init(answer.ptr, (unsigned)answer.len);

    (void)uv_udp_try_send(udp, &out, 1, from); /* what does not fit is lost: it is UDP */
    text_free(&answer);
}

static int udp_listen(struct whoami *whoami, const struct sockaddr *address)
{
    int rc = uv_udp_init(&whoami->loop, &whoami->udp);

    whoami->udp.data = whoami;
    if (rc == 0) {
        rc = uv_udp_bind(&whoami->udp, address, 0);
    }
    return rc == 0 ? uv_udp_recv_start(&whoami->udp, on_datagram_space, on_datagram) : rc;
}

/* ---- start ---- */
static int serve(struct whoami *whoami, bool udp)
{
    struct sockaddr_storage address;
    int rc = uv_ip4_addr(whoami->bind, whoami->port, (struct sockaddr_in *)&address);

    if (rc != 0) {
        rc = uv_ip6_addr(whoami->bind, whoami->port, (struct sockaddr_in6 *)&address);
    }
    if (rc == 0) {
        rc = udp ? udp_listen(whoami, (struct sockaddr *)&address)
                 : whoami_http_listen(whoami, (struct sockaddr *)&address);
    }
    if (rc != 0) {
        (void)fprintf(stderr, "weir whoami: cannot listen on %s port %d: %s\n", whoami->bind, whoami->port,
                      uv_strerror(rc));
        return 1;
    }
    struct sockaddr_storage bound;
    int len = sizeof(bound);

    (void)(udp ? uv_udp_getsockname(&whoami->udp, (struct sockaddr *)&bound, &len)
               : uv_tcp_getsockname(&whoami->listener, (struct sockaddr *)&bound, &len));
    (void)printf("whoami listens on %s %s port %u\n", udp ? "udp" : "tcp", whoami->bind,
                 ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                   : ((struct sockaddr_in *)&bound)->sin_port));
    (void)fflush(stdout);
    (void)uv_run(&whoami->loop, UV_RUN_DEFAULT);
    return 0;
}

int face_whoami(int argc, char **argv)
{
    struct options options = {.bind = "127.0.0.1", .port = 80};
    struct error why;

    for (int i = 0; i < argc; i++) {
        if (parse_one(argc, argv, &i, &options, &why) < 0) {
            return usage(why.text);
        }
    }
    (void)signal(SIGPIPE, SIG_IGN);
    struct whoami *whoami = xcalloc(1, sizeof(*whoami));

    if (uv_loop_init(&whoami->loop) != 0) {
        free(whoami);
        return usage("no event loop");
    }
    whoami->bind = options.bind;
    whoami->port = options.port;
    whoami->name = options.name;
    whoami->delay_ms = (uint64_t)(options.delay_ns / 1000000);
    whoami->health = 200;
    identify(whoami);
    int status = serve(whoami, options.udp);

    text_free(&whoami->identity);
    free(whoami); /* the loop's handles go with the process */
    return status;
}
