/*
 * plugin_demo.c - github.com/traefik/plugindemo: sets headers of requests, from templates. What the program holds:
 * master/plugin/plugin_demo.c. A Host there has no effect, as with Go's headers. Test:
 * tests/integration/test_middleware_plugin.py
 */
#include "common/http/path.h"
#include "common/rule/request_template.h"
#include "worker/plugin/plugin.h"

static struct slice decoded_path(struct exchange *ex)
{
    struct slice path;

    return path_unescape(ex->pool, ex->request.raw_path, &path) == PATH_OK ? path : ex->request.path;
}

static struct slice remote(struct exchange *ex)
{
    char text[ADDRESS_TEXT_SIZE];
    struct slice address = slice_of(text, address_format(&ex->client, text));
    bool wide = slice_find(address, ':') >= 0;

    return pool_printf(ex->pool, "%s%.*s%s:%u", wide ? "[" : "", SLICE_ARG(address), wide ? "]" : "",
                       ex->client.port);
}

static struct slice field(void *context, enum template_field field, struct slice name)
{
    struct exchange *ex = context;
    const struct exchange_request *request = &ex->request;
    const struct header *header;

    switch (field) {
    case TEMPLATE_HOST:
        return request->host;
    case TEMPLATE_METHOD:
        return request->method;
    case TEMPLATE_PROTO:
        return pool_printf(ex->pool, "HTTP/%u.%u", request->version_major, request->version_minor);
    case TEMPLATE_URI:
        return pool_printf(ex->pool, "%.*s%s%.*s", SLICE_ARG(request->raw_path),
                           request->has_query ? "?" : "", SLICE_ARG(request->query));
    case TEMPLATE_REMOTE:
        return remote(ex);
    case TEMPLATE_PATH:
        return decoded_path(ex);
    case TEMPLATE_RAW_PATH:
        return request->raw_path;
    case TEMPLATE_QUERY:
        return request->query;
    case TEMPLATE_HEADER:
        header = headers_find(&request->headers, name);
        return header ? header->value : SLICE("");
    }
    return SLICE("");
}

static void set(struct exchange *ex, struct slice name, struct slice value)
{
    enum header_id id = header_id(name);

    if (id == HEADER_HOST || id == HEADER_CONTENT_LENGTH || id == HEADER_TRANSFER_ENCODING ||
        id == HEADER_TRAILER || !header_value_valid(value)) {
        return;
    }
    headers_remove_spellings(&ex->request.headers, name);
    headers_set(&ex->request.headers, header_name_canonical(ex->pool, name), value);
}

static enum mw_verdict on_request(struct exchange *ex, struct slice program)
{
    while (program.len >= 4) {
        const unsigned char *head = (const unsigned char *)program.ptr;
        struct slice name = slice_head(slice_from(program, 4), (size_t)head[0] << 8 | head[1]);
        struct slice code = slice_head(slice_from(program, 4 + name.len), (size_t)head[2] << 8 | head[3]);

        set(ex, name, request_template_run(ex->pool, code, field, ex));
        program = slice_from(program, 4 + name.len + code.len);
    }
    return MW_PASS;
}

const struct plugin_type plugin_type_plugin_demo = {.on_request = on_request};
