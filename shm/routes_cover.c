/*
 * routes_cover.c - takes a rule apart: at which hosts and paths can it match, and what is left to check
 * there.
 *
 * A place's host and path are settled by the lookup itself; everything else of the rule is left as a term.
 * The cover is exact: the rule matches if and only if the request is at one of the places and the term
 * there holds. Where taking apart would give too many places, one side of an AND stays a term, or the whole
 * rule goes under any host and any path.
 */
#include "common/rule/regex.h"
#include "shm/routes_builder.h"

static const struct route_term term_true = {.op = TERM_TRUE};

struct cover_work {
    struct pool *pool;
    bool overflow;
};

static const struct route_term *term_new(struct cover_work *work, enum route_term_op op,
                                         const struct route_term *left, const struct route_term *right,
                                         const struct rule *rule)
{
    struct route_term *term = pool_alloc(work->pool, sizeof(*term));

    *term = (struct route_term){.op = op, .rule = rule, .left = left, .right = right};
    return term;
}

static const struct route_term *term_and(struct cover_work *work, const struct route_term *a,
                                         const struct route_term *b)
{
    if (a->op == TERM_TRUE) {
        return b;
    }
    return b->op == TERM_TRUE ? a : term_new(work, TERM_AND, a, b, NULL);
}

static void one_place(struct cover_work *work, struct route_cover *out, struct route_place place)
{
    out->places = pool_alloc(work->pool, sizeof(place));
    out->places[0] = place;
    out->count = 1;
}

static void cover_rest(struct cover_work *work, const struct rule *rule, struct route_cover *out)
{
    one_place(
        work, out,
        (struct route_place){.host_kind = HOST_ANY, .left = term_new(work, TERM_RULE, NULL, NULL, rule)});
}

/* What a regexp says about the place of its matches; the regexp itself is still to be checked. */
static void cover_regexp(struct cover_work *work, const struct rule *rule, struct route_cover *out)
{
    bool host = rule->predicate == RULE_HOST_REGEXP;
    struct regex_literals literals;

    cover_rest(work, rule, out);
    regex_literals(work->pool, rule->value, host, &literals);
    if (literals.prefix.len == 0) {
        return;
    }
    if (!host) {
        out->places[0].path_kind = literals.exact ? PATH_KEY_EXACT : PATH_KEY_PREFIX;
        out->places[0].path = literals.prefix;
    } else if (literals.exact) {
        out->places[0].host_kind = HOST_EXACT;
        out->places[0].host = rule_host_key(literals.prefix);
    }
}

static void cover_predicate(struct cover_work *work, const struct rule *rule, struct route_cover *out)
{
    struct route_place place = {.host_kind = HOST_ANY, .left = &term_true};

    switch (rule->predicate) {
    case RULE_ANY:
        break;
    case RULE_HOST:
        place.host_kind = HOST_EXACT;
        place.host = rule->value;
        break;
    case RULE_HOST_SUFFIX:
        place.host_kind = HOST_SUFFIX;
        place.host = rule->value;
        break;
    case RULE_PATH:
        place.path_kind = PATH_KEY_EXACT;
        place.path = rule->value;
        break;
    case RULE_PATH_PREFIX:
        place.path_kind = PATH_KEY_PREFIX;
        place.path = rule->value;
        break;
    case RULE_HOST_REGEXP:
    case RULE_PATH_REGEXP:
        cover_regexp(work, rule, out);
        return;
    default:
        cover_rest(work, rule, out);
        return;
    }
    one_place(work, out, place);
}

/* Both keys at once: false when no request can satisfy both. */
static bool meet_hosts(const struct route_place *a, const struct route_place *b, struct route_place *out)
{
    const struct route_place *narrow = a->host_kind <= b->host_kind ? a : b, *wide = narrow == a ? b : a;

    out->host_kind = narrow->host_kind;
    out->host = narrow->host;
    if (wide->host_kind == HOST_ANY) {
        return true;
    }
    if (narrow->host_kind == wide->host_kind) {
        return slice_eq(narrow->host, wide->host);
    }
    return slice_eq(rule_host_wildcard(narrow->host), wide->host);
}

static bool meet_paths(const struct route_place *a, const struct route_place *b, struct route_place *out)
{
    bool first = a->path_kind > b->path_kind || (a->path_kind == b->path_kind && a->path.len >= b->path.len);
    const struct route_place *narrow = first ? a : b, *wide = first ? b : a;

    out->path_kind = narrow->path_kind;
    out->path = narrow->path;
    switch (wide->path_kind) {
    case PATH_KEY_ALL:
        return true;
    case PATH_KEY_PREFIX:
        return slice_has_prefix(narrow->path, wide->path);
    case PATH_KEY_EXACT:
        return slice_eq(narrow->path, wide->path);
    }
    return false;
}

static void cover_rule(struct cover_work *work, const struct rule *rule, struct route_cover *out);

static size_t keyed_places(const struct route_cover *cover)
{
    size_t keyed = 0;

    for (size_t i = 0; i < cover->count; i++) {
        keyed += (cover->places[i].host_kind != HOST_ANY ? 2 : 0) +
                 (cover->places[i].path_kind != PATH_KEY_ALL ? 1 : 0);
    }
    return keyed;
}

/* Keeps the places of one side and leaves the other side of the AND to be checked there. */
static void cover_one_side(struct cover_work *work, const struct route_cover *kept, const struct rule *rest,
                           struct route_cover *out)
{
    const struct route_term *term = term_new(work, TERM_RULE, NULL, NULL, rest);

    *out = *kept;
    for (size_t i = 0; i < out->count; i++) {
        out->places[i].left = term_and(work, out->places[i].left, term);
    }
}

static void cover_and(struct cover_work *work, const struct rule *rule, struct route_cover *out)
{
    struct route_cover a, b;

    cover_rule(work, rule->left, &a);
    cover_rule(work, rule->right, &b);
    if (a.count > 1 && b.count > 1 && a.count * b.count > COVER_MAX_PRODUCT) {
        bool first = keyed_places(&a) * b.count >= keyed_places(&b) * a.count;

        cover_one_side(work, first ? &a : &b, first ? rule->right : rule->left, out);
        return;
    }
    out->places = pool_alloc(work->pool, a.count * b.count * sizeof(*out->places) + 1);
    out->count = 0;
    for (size_t i = 0; i < a.count; i++) {
        for (size_t j = 0; j < b.count; j++) {
            struct route_place place = {0};

            if (meet_hosts(&a.places[i], &b.places[j], &place) &&
                meet_paths(&a.places[i], &b.places[j], &place)) {
                place.left = term_and(work, a.places[i].left, b.places[j].left);
                out->places[out->count++] = place;
            }
        }
    }
}

static bool is_anywhere(const struct route_place *place)
{
    return place->host_kind == HOST_ANY && place->path_kind == PATH_KEY_ALL;
}

static void cover_or(struct cover_work *work, const struct rule *rule, struct route_cover *out)
{
    struct route_cover a, b;
    struct route_place *anywhere = NULL;

    cover_rule(work, rule->left, &a);
    cover_rule(work, rule->right, &b);
    if (a.count + b.count > COVER_MAX_PLACES) {
        work->overflow = true;
    }
    if (work->overflow) {
        *out = (struct route_cover){0};
        return;
    }
    out->places = pool_alloc(work->pool, (a.count + b.count) * sizeof(*out->places) + 1);
    out->count = 0;
    for (size_t i = 0; i < a.count + b.count; i++) {
        const struct route_place *place = i < a.count ? &a.places[i] : &b.places[i - a.count];

        if (!is_anywhere(place)) {
            out->places[out->count++] = *place;
        } else if (!anywhere) {
            anywhere = &out->places[out->count++];
            *anywhere = *place;
        } else if (anywhere->left->op == TERM_TRUE || place->left->op == TERM_TRUE) {
            anywhere->left = &term_true;
        } else {
            anywhere->left = term_new(work, TERM_OR, anywhere->left, place->left, NULL);
        }
    }
}

static void cover_rule(struct cover_work *work, const struct rule *rule, struct route_cover *out)
{
    switch (rule->op) {
    case RULE_PREDICATE:
        cover_predicate(work, rule, out);
        break;
    case RULE_NOT:
        if (rule->left->predicate == RULE_ANY) {
            *out = (struct route_cover){0};
        } else {
            cover_rest(work, rule, out);
        }
        break;
    case RULE_AND:
        cover_and(work, rule, out);
        break;
    case RULE_OR:
        cover_or(work, rule, out);
        break;
    }
}

void route_cover_whole(struct pool *pool, const struct rule *rule, struct route_cover *out)
{
    struct cover_work work = {.pool = pool};

    if (rule) {
        cover_rest(&work, rule, out);
    } else {
        one_place(&work, out, (struct route_place){.host_kind = HOST_ANY, .left = &term_true});
    }
}

void route_cover(struct pool *pool, const struct rule *rule, struct route_cover *out)
{
    struct cover_work work = {.pool = pool};

    if (rule) {
        cover_rule(&work, rule, out);
    }
    if (!rule || work.overflow) {
        route_cover_whole(pool, rule, out);
    }
}
