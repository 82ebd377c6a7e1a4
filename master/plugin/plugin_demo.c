/*
 * plugin_demo.c - github.com/traefik/plugindemo: request headers with templates in [[ ]].
 *
 * The program: of each header the length of its name (two bytes), that of its compiled template (two), both texts.
 */
#include <errno.h>
#include <string.h>

#include "common/http/headers.h"
#include "common/rule/request_template.h"
#include "master/plugin/plugin.h"

#define TEXT_MOST 0xffff

static void put(char **out, struct slice name, struct slice code)
{
    const char head[] = {(char)(name.len >> 8), (char)name.len, (char)(code.len >> 8), (char)code.len};

    memcpy(*out, head, sizeof(head));
    memcpy(*out + sizeof(head), name.ptr, name.len);
    if (code.len) {
        memcpy(*out + sizeof(head) + name.len, code.ptr, code.len);
    }
    *out += sizeof(head) + name.len + code.len;
}

/* The one option, whatever the case of its letters. */
static const struct doc *headers_of(const struct doc *options, struct error *why)
{
    const struct doc *headers = NULL;

    for (size_t i = 0; i < options->map.count; i++) {
        const struct doc_entry *entry = &options->map.entries[i];

        if (!slice_eq_nocase(entry->key, SLICE("headers"))) {
            error_set(why, -EINVAL, "%.*s is not known: its option is headers", SLICE_ARG(entry->key));
            return NULL;
        }
        headers = entry->value;
    }
    if (headers == NULL || headers->kind != DOC_MAP || headers->map.count == 0) {
        error_set(why, -EINVAL, "headers cannot be empty");
        return NULL;
    }
    return headers;
}

bool plugin_demo_compile(struct pool *pool, const struct doc *options, struct slice *program,
                         struct error *why)
{
    const struct doc *headers = headers_of(options, why);
    struct slice *codes;
    size_t size = 0;
    char *out;

    if (headers == NULL) {
        return false;
    }
    codes = pool_zalloc(pool, headers->map.count * sizeof(*codes));
    for (size_t i = 0; i < headers->map.count; i++) {
        const struct doc_entry *entry = &headers->map.entries[i];

        if (!header_name_valid(entry->key) || entry->key.len > TEXT_MOST) {
            error_set(why, -EINVAL, "headers: \"%.*s\" is no name of a header", SLICE_ARG(entry->key));
            return false;
        }
        if (!request_template_compile(pool, doc_text(entry->value, SLICE("")), SLICE("[["), SLICE("]]"),
                                      &codes[i], why) ||
            codes[i].len > TEXT_MOST) {
            error_prefix(why, "headers.%.*s", SLICE_ARG(entry->key));
            return false;
        }
        size += 4 + entry->key.len + codes[i].len;
    }
    out = pool_alloc(pool, size);
    *program = slice_of(out, size);
    for (size_t i = 0; i < headers->map.count; i++) {
        put(&out, headers->map.entries[i].key, codes[i]);
    }
    return true;
}
