/*
 * prepare_users.c - users of basicAuth and digestAuth: lines of a file and of the options become a map.
 *
 * Errors name file, line and user, never a hash. Not here: what a line must look like (the parsers of the kinds).
 */
#include <errno.h>
#include <stdlib.h>

#include "master/resolve/prepare.h"
#include "master/tls/vault.h"

struct found {
    struct string_pair pair;
    size_t position; /* the last one of a name counts */
};

struct gathering {
    struct pool *pool;
    user_parse *parse;
    struct found *items;
    size_t count, capacity;
};

static int add_line(struct gathering *users, struct slice line, struct error *why)
{
    struct found found = {.position = users->count};
    int rc = users->parse(users->pool, line, &found.pair, why);

    if (rc < 0) {
        return rc;
    }
    users->items =
        pool_grow(users->pool, users->items, users->count, &users->capacity, sizeof(*users->items));
    users->items[users->count++] = found;
    return 0;
}

/* A vault_accept: blank lines and those that begin with # are passed over. */
static int take_file(void *context, struct slice text, struct error *why)
{
    struct gathering *users = context;
    unsigned number = 0;

    users->count = 0;
    while (text.len) {
        struct slice line = slice_trim(slice_split(&text, '\n'));
        int rc;

        number++;
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        if ((rc = add_line(users, line, why)) < 0) {
            error_prefix(why, "line %u", number);
            return rc;
        }
    }
    return 0;
}

static bool take_users_file(struct preparation *at, struct gathering *users, struct slice file)
{
    struct error why;
    int rc = vault_accepted(at->resolver->vault, file, at->pool, take_file, users, &why);

    if (rc < 0) {
        prepare_wrong(at, "usersFile %.*s: %s", SLICE_ARG(file), why.text);
    } else if (rc > 0) {
        element_error(at->resolver->model, &at->middleware->element, false,
                      "usersFile %.*s: %s; the users that it held before stay in force", SLICE_ARG(file),
                      why.text);
    }
    return rc >= 0;
}

static int by_name(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int order = slice_cmp(x->pair.key, y->pair.key);

    return order ? order : x->position < y->position ? -1 : x->position > y->position;
}

static void make_map(struct gathering *users, struct string_map *out)
{
    out->items = pool_alloc(users->pool, (users->count + 1) * sizeof(*out->items));
    out->count = 0;
    if (users->count > 1) {
        qsort(users->items, users->count, sizeof(*users->items), by_name);
    }
    for (size_t i = 0; i < users->count; i++) {
        if (out->count && slice_eq(out->items[out->count - 1].key, users->items[i].pair.key)) {
            out->count--;
        }
        out->items[out->count++] = users->items[i].pair;
    }
}

bool prepare_users(struct preparation *at, const struct list *inline_users, struct slice file,
                   user_parse *parse, struct string_map *out)
{
    struct gathering users = {.pool = at->pool, .parse = parse};
    const struct slice *lines = inline_users->items;

    if (file.len && !take_users_file(at, &users, file)) {
        return false;
    }
    for (size_t i = 0; i < inline_users->count; i++) {
        struct error why;

        if (add_line(&users, lines[i], &why) < 0) {
            prepare_wrong(at, "users[%zu]: %s", i, why.text);
            return false;
        }
    }
    make_map(&users, out);
    return true;
}
