/*
 * prepare_compress.c - compress: which encodings, which types. Texts of errors are Traefik's.
 */
#include "common/http/content_coding.h"
#include "common/http/media_type.h"
#include "master/resolve/prepare.h"

#define LEAST_DEFAULT 1024

static bool types(struct preparation *at, const char *which, const struct list *texts, struct list *out)
{
    const struct slice *items = texts->items;
    size_t capacity = out->count;

    for (size_t i = 0; i < texts->count; i++) {
        struct slice type;
        const char *why;

        if (!media_type_parse(items[i], &type, &why)) {
            prepare_wrong(at, "parsing %s media type: %s", which, why);
            return false;
        }
        list_add_slice(at->pool, out, &capacity, type);
    }
    return true;
}

static bool encodings(struct preparation *at, const struct list *names, struct slice *out)
{
    const struct slice *items = names->items;
    char *codings = pool_alloc(at->pool, names->count + 1);

    for (size_t i = 0; i < names->count; i++) {
        codings[i] = (char)coding_find(items[i]);
        if (codings[i] == CODING_IDENTITY) {
            prepare_wrong(at, "unsupported encoding: %.*s", SLICE_ARG(items[i]));
            return false;
        }
    }
    *out = slice_of(codings, names->count);
    return true;
}

const void *prepare_compress(struct preparation *at, const struct compress *options)
{
    struct prepared_compress *made = pool_zalloc(at->pool, sizeof(*made));
    size_t capacity = 0;

    if (options->excluded_content_types.count && options->included_content_types.count) {
        return prepare_wrong(at,
                             "excludedContentTypes and includedContentTypes options are mutually exclusive");
    }
    list_add_slice(at->pool, &made->excluded, &capacity, SLICE("application/grpc"));
    if (!types(at, "excluded", &options->excluded_content_types, &made->excluded) ||
        !types(at, "included", &options->included_content_types, &made->included)) {
        return NULL;
    }
    if (options->encodings.count == 0) {
        return prepare_wrong(at, "at least one encoding must be specified");
    }
    if (!encodings(at, &options->encodings, &made->encodings)) {
        return NULL;
    }
    made->any = made->encodings.ptr[0];
    made->unasked = CODING_IDENTITY;
    if (options->default_encoding.len) {
        enum content_coding coding = coding_find(options->default_encoding);

        if (slice_find(made->encodings, (char)coding) < 0) {
            return prepare_wrong(at, "unsupported default encoding: %.*s",
                                 SLICE_ARG(options->default_encoding));
        }
        made->any = made->unasked = coding;
    }
    made->least = options->min_response_body_bytes > 0 ? options->min_response_body_bytes : LEAST_DEFAULT;
    return made;
}
