/*
 * whoami_answer.c - the texts: identity, the request as Go prints it, JSON of /api, bytes of /data.
 *
 * Go's Request.Write is what traefik/whoami answers with: request line, Host, User-Agent (Go's own when there is none),
 * framing, then the other headers with canonical names in order of the names.
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "master/tools/whoami.h"

#define DATA_MOST (UINT64_C(1) << 40)

struct line { /* one header in canonical form */
    char *name;
    size_t position; /* among those of the request: keeps values of one name in order */
    struct slice value;
};

/* As Go's CanonicalMIMEHeaderKey: the first letter and each after '-' in upper case, the others in lower case. */
static char *canonical(struct slice name)
{
    char *out = xstrndup(name.ptr, name.len);
    bool upper = true;

    for (size_t i = 0; i < name.len; i++) {
        if (upper && out[i] >= 'a' && out[i] <= 'z') {
            out[i] = (char)(out[i] - 'a' + 'A');
        } else if (!upper && out[i] >= 'A' && out[i] <= 'Z') {
            out[i] = (char)(out[i] - 'A' + 'a');
        }
        upper = out[i] == '-';
    }
    return out;
}

static int by_name(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a->position > b->position) - (a->position < b->position);
}

static size_t sorted_lines(const struct headers *headers, struct line **out)
{
    struct line *lines = xcalloc(headers->count + 1, sizeof(*lines));

    for (size_t i = 0; i < headers->count; i++) {
        lines[i] = (struct line){canonical(headers->items[i].name), i, headers->items[i].value};
    }
    qsort(lines, headers->count, sizeof(*lines), by_name);
    *out = lines;
    return headers->count;
}

static void free_lines(struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(lines[i].name);
    }
    free(lines);
}

static struct slice value_of(const struct h1_message *message, enum header_id id)
{
    const struct header *header = headers_get(&message->headers, id);

    return header ? header->value : SLICE("");
}

/* ---- routes and parameters ---- */
enum whoami_route whoami_route(const struct h1_message *message, struct slice path)
{
    if (slice_eq(path, SLICE("/health"))) {
        return WHOAMI_HEALTH;
    }
    if (slice_eq(path, SLICE("/bench"))) {
        return WHOAMI_BENCH;
    }
    if (slice_eq(path, SLICE("/data"))) {
        return WHOAMI_DATA;
    }
    if (slice_eq(path, SLICE("/api"))) {
        return WHOAMI_API;
    }
    return slice_eq(path, SLICE("/echo")) && message->upgrade ? WHOAMI_ECHO : WHOAMI_SELF;
}

struct slice whoami_parameter(struct slice query, const char *name)
{
    while (query.ptr) {
        struct slice value = slice_split(&query, '&');
        struct slice key = slice_split(&value, '=');

        if (slice_eq(key, slice_cstr(name))) {
            return value.ptr ? value : SLICE("");
        }
    }
    return SLICE("");
}

bool whoami_data_size(struct slice query, uint64_t *size)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    struct slice number = whoami_parameter(query, "size"), unit = whoami_parameter(query, "unit");
    uint64_t factor = 1;

    if (!slice_to_u64(number, size)) {
        *size = 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (slice_eq_nocase(unit, slice_cstr(units[i]))) {
            factor = UINT64_C(1) << (10 * i);
        }
    }
    if (*size > DATA_MOST / factor) {
        return false;
    }
    *size *= factor;
    return true;
}

void whoami_data(uint64_t size, uint64_t from, size_t count, struct text *out)
{
    static const char letters[] = "-ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (uint64_t i = from; i < from + count; i++) {
        text_add_char(out, i == 0 || i == size - 1 ? '|' : letters[i % (sizeof(letters) - 1)]);
    }
}

/* ---- the request as Go prints it ---- */
static void add_framing(const struct h1_message *message, struct text *out)
{
    bool needs_length = slice_eq(message->method, SLICE("POST")) || slice_eq(message->method, SLICE("PUT")) ||
                        slice_eq(message->method, SLICE("PATCH"));

    if (!message->keep_alive && !header_list_has(value_of(message, HEADER_CONNECTION), SLICE("close"))) {
        text_add_cstr(out, "Connection: close\r\n");
    }
    if (message->framing == H1_CHUNKED) {
        text_add_cstr(out, "Transfer-Encoding: chunked\r\n");
    } else if (message->content_length > 0 || needs_length) {
        text_printf(out, "Content-Length: %llu\r\n", (unsigned long long)message->content_length);
    }
}

static bool printed_elsewhere(const char *name)
{
    static const char *const names[] = {"Host", "User-Agent", "Content-Length", "Transfer-Encoding",
                                        "Trailer"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

void whoami_self(const struct whoami *whoami, const struct whoami_request *request, struct text *out)
{
    const struct h1_message *message = request->message;
    const struct header *agent = headers_get(&message->headers, HEADER_USER_AGENT);
    struct line *lines;
    size_t count = sorted_lines(&message->headers, &lines);

    text_add(out, text_slice(&whoami->identity));
    text_printf(out, "RemoteAddr: %s\n", request->peer);
    text_printf(out, "%.*s %.*s", SLICE_ARG(message->method), SLICE_ARG(request->path));
    if (slice_find(message->target, '?') >= 0) {
        text_printf(out, "?%.*s", SLICE_ARG(request->query));
    }
    text_printf(out, " HTTP/1.1\r\nHost: %.*s\r\n", SLICE_ARG(value_of(message, HEADER_HOST)));
    if (agent == NULL || agent->value.len > 0) {
        struct slice text = agent ? agent->value : SLICE("Go-http-client/1.1");

        text_printf(out, "User-Agent: %.*s\r\n", SLICE_ARG(text));
    }
    add_framing(message, out);
    for (size_t i = 0; i < count; i++) {
        if (!printed_elsewhere(lines[i].name)) {
            text_printf(out, "%s: %.*s\r\n", lines[i].name, SLICE_ARG(lines[i].value));
        }
    }
    text_add_cstr(out, "\r\n");
    free_lines(lines, count);
}

static void add_field(struct text *out, const char *name, struct slice value)
{
    text_printf(out, ",\"%s\":", name);
    text_add_json(out, value);
}

void whoami_api(const struct whoami *whoami, const struct whoami_request *request, struct text *out)
{
    const struct h1_message *message = request->message;
    struct slice rest = text_slice(&whoami->identity);
    struct line *lines;
    size_t count = sorted_lines(&message->headers, &lines);
    bool any = false;

    text_add_cstr(out, "{\"hostname\":");
    text_add_json(out, slice_cstr(whoami->host_name));
    text_add_cstr(out, ",\"ip\":[");
    while (rest.ptr) {
        struct slice line = slice_split(&rest, '\n');

        if (slice_has_prefix(line, SLICE("IP: "))) {
            text_add_cstr(out, any ? "," : "");
            text_add_json(out, slice_from(line, 4));
            any = true;
        }
    }
    text_add_cstr(out, "],\"headers\":{");
    any = false;
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && strcmp(lines[i].name, lines[i - 1].name) == 0;

        if (strcmp(lines[i].name, "Host") == 0) {
            continue; /* Go keeps it apart */
        }
        if (!again) {
            text_add_cstr(out, any ? "]," : "");
            text_add_json(out, slice_cstr(lines[i].name));
            text_add_cstr(out, ":[");
        } else {
            text_add_char(out, ',');
        }
        text_add_json(out, lines[i].value);
        any = true;
    }
    text_add_cstr(out, any ? "]}" : "}");
    add_field(out, "url", message->target);
    add_field(out, "host", value_of(message, HEADER_HOST));
    add_field(out, "method", message->method);
    if (whoami->name.len > 0) {
        add_field(out, "name", whoami->name);
    }
    add_field(out, "remoteAddr", slice_cstr(request->peer));
    text_add_cstr(out, "}\n");
    free_lines(lines, count);
}
