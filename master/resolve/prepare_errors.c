/*
 * prepare_errors.c - errors: which statuses are replaced, by which status, and whose page it is.
 */
#include "common/http/path.h"
#include "master/resolve/prepare.h"

static bool status_read(const struct doc *value, int64_t *out)
{
    uint64_t number;

    if (value->kind == DOC_STRING && slice_to_u64(value->text, &number) && number < 1000) {
        *out = (int64_t)number;
        return true;
    }
    return doc_int(value, out);
}

static bool rewrites(struct preparation *at, const struct doc *map, struct slice *out)
{
    size_t count = map ? map->map.count : 0;
    struct status_rewrite *made = pool_zalloc(at->pool, (count + 1) * sizeof(*made));

    for (size_t i = 0; i < count; i++) {
        const struct doc_entry *entry = &map->map.entries[i];
        int64_t to;

        if (!prepare_status(at, entry->key, &made[i].from)) {
            return false;
        }
        if (!status_read(entry->value, &to) || to < 200 || to > 999) {
            prepare_wrong(at, "statusRewrites.%.*s must be the status of an answer, 200 to 999",
                          SLICE_ARG(entry->key));
            return false;
        }
        made[i].to[0] = (uint8_t)(to >> 8);
        made[i].to[1] = (uint8_t)to;
    }
    *out = slice_of((const char *)made, count * sizeof(*made));
    return true;
}

/* What is filled in is escaped: a target that cannot be asked for is one already here. */
static bool query_good(struct preparation *at, struct slice query)
{
    struct slice path = query, decoded;

    for (size_t i = 0; i < query.len; i++) {
        if ((unsigned char)query.ptr[i] < ' ' || query.ptr[i] == 0x7f) {
            prepare_wrong(at, "errors.query holds a line end or another control character");
            return false;
        }
        if ((query.ptr[i] == '?' || query.ptr[i] == '#') && path.len == query.len) {
            path = slice_head(query, i);
        }
    }
    if (path_unescape(at->pool, path, &decoded) != PATH_OK) {
        prepare_wrong(at, "errors.query: %% in its path must be followed by two hexadecimal digits");
        return false;
    }
    return true;
}

const void *prepare_errors(struct preparation *at, const struct errors *options)
{
    struct prepared_errors *made = pool_zalloc(at->pool, sizeof(*made));

    if (options->status_rewrites && options->status_rewrites->kind != DOC_MAP &&
        options->status_rewrites->kind != DOC_NULL) {
        return prepare_wrong(at, "statusRewrites must be a map of statuses to statuses");
    }
    if (!prepare_statuses(at, &options->status, &made->statuses) ||
        !rewrites(at,
                  options->status_rewrites && options->status_rewrites->kind == DOC_MAP
                      ? options->status_rewrites
                      : NULL,
                  &made->rewrites)) {
        return NULL;
    }
    if (options->service.len == 0) {
        return prepare_wrong(at, "errors.service is missing: name the service that gives the page");
    }
    if (!query_good(at, options->query)) {
        return NULL;
    }
    prepare_service(at, options->service);
    made->query = options->query;
    made->headers = options->error_request_headers;
    made->all_headers = options->error_request_headers.count == 0;
    return made;
}
