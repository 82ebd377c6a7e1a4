/*
 * kubernetes_legacy_backend.c - the servers of a frontend of Traefik 1: the pods of all its Services as one group.
 *
 * service-weights gives Services a part of the requests in percent, whatever the number of their pods; Services that it does
 * not name share what is left by pod. A server's weight is its exact share: shares are brought to a common denominator.
 */
#include "common/base/gcd.h"
#include "master/provider/kubernetes_legacy.h"

#define WHOLE 100000          /* 100 percent in thousandths */
#define DENOMINATOR_MAX 20000 /* weights stay below 2^31; beyond it shares are rounded to that part */
#define DECIMALS_MAX 3

/* ---- shares ---- */

/* "75%", "12.5%", "0.75": thousandths of a percent. */
static bool share_parse(struct slice text, uint64_t *out)
{
    bool percent = slice_has_suffix(text, SLICE("%"));
    size_t decimals = percent ? DECIMALS_MAX : DECIMALS_MAX + 2;
    struct slice whole, rest;
    uint64_t value = 0, part = 0;

    text = slice_trim(percent ? slice_head(text, text.len - 1) : text);
    rest = text;
    whole = slice_split(&rest, '.');
    if (whole.len > 6 || (whole.len == 0 && rest.len == 0) || rest.len > decimals ||
        (whole.len && !slice_to_u64(whole, &value)) || (rest.len && !slice_to_u64(rest, &part))) {
        return false;
    }
    for (size_t i = 0; i < decimals; i++) {
        value *= 10;
        if (i >= rest.len) {
            part *= 10;
        }
    }
    *out = value + part;
    return *out <= WHOLE;
}

static bool same_path(const struct legacy_part *a, const struct legacy_part *b)
{
    return slice_eq(a->host, b->host) && slice_eq(a->path, b->path);
}

struct weighing {
    struct k8s *k8s;
    const struct ingress *ingress;
    const struct doc *weights;
    struct legacy_part *const *parts;
    size_t count;
    struct element errors;
    struct k8s_place place; /* the annotation */
};

/* What is written for the part's Service; false when nothing is. */
static bool written_share(struct weighing *weighing, const struct legacy_part *part, uint64_t *out)
{
    char name[256];
    const struct doc *found;

    *out = 0;
    if (!slice_to_cstr(part->target.service, name, sizeof(name))) {
        return false;
    }
    found = doc_get(weighing->weights, name);
    if (found && !share_parse(slice_trim(doc_text(found, SLICE("?"))), out)) {
        k8s_error(weighing->k8s, &weighing->place, &weighing->errors, true,
                  "%s: \"%.*s\" is no share: write 0%% to 100%%, with at most three decimals", name,
                  SLICE_ARG(doc_text(found, SLICE("?"))));
    }
    return found != NULL;
}

/* All parts with the host and path of the first. */
static void weigh_path(struct weighing *weighing, const struct legacy_part *first)
{
    uint64_t given = 0, free_servers = 0, share;
    bool any_free = false;

    for (size_t i = 0; i < weighing->count; i++) {
        struct legacy_part *part = weighing->parts[i];

        if (!same_path(part, first)) {
            continue;
        }
        if (written_share(weighing, part, &share)) {
            part->share = share;
            part->sharers = part->servers.count;
            given += share;
        } else {
            any_free = true;
            free_servers += part->servers.count;
            part->sharers = 0;
        }
    }
    if (given > WHOLE || (given < WHOLE && !any_free)) {
        k8s_error(weighing->k8s, &weighing->place, &weighing->errors, true,
                  "the shares for %.*s%.*s make %u.%03u%%: %s", SLICE_ARG(first->host),
                  SLICE_ARG(first->path), (unsigned)(given / 1000), (unsigned)(given % 1000),
                  given > WHOLE ? "100% is all there is"
                                : "they must make 100%, or leave a Service out, which gets the rest");
    }
    for (size_t i = 0; i < weighing->count; i++) {
        struct legacy_part *part = weighing->parts[i];

        if (same_path(part, first) && !written_share(weighing, part, &share)) {
            part->share = given > WHOLE ? 0 : WHOLE - given;
            part->sharers = free_servers;
        }
    }
}

static void note_strangers(struct weighing *weighing)
{
    for (size_t i = 0; i < weighing->weights->map.count; i++) {
        struct slice name = weighing->weights->map.entries[i].key;
        bool found = false;

        for (size_t j = 0; j < weighing->count && !found; j++) {
            found = slice_eq(weighing->parts[j]->target.service, name);
        }
        if (!found) {
            k8s_error(weighing->k8s, &weighing->place, &weighing->errors, false,
                      "%.*s is no Service of this Ingress: its share has no effect", SLICE_ARG(name));
        }
    }
}

void legacy_weigh(struct k8s *k8s, const struct ingress *ingress, struct legacy_part *const *parts,
                  size_t count)
{
    struct weighing weighing = {
        .k8s = k8s,
        .ingress = ingress,
        .parts = parts,
        .count = count,
        .place = legacy_place(k8s, &ingress->place, ingress->annotations, "service-weights"),
    };

    if (legacy_get(ingress->annotations, "service-weights") == NULL) {
        return;
    }
    weighing.weights =
        legacy_yaml(k8s, &ingress->place, ingress->annotations, "service-weights", &weighing.errors);
    for (size_t i = 0; weighing.weights && i < count; i++) {
        bool done = false;

        for (size_t j = 0; j < i && !done; j++) {
            done = same_path(parts[i], parts[j]);
        }
        if (!done) {
            weigh_path(&weighing, parts[i]);
        }
        if (parts[i]->errors.status == ELEMENT_DISABLED) {
            k8s_error(k8s, &weighing.place, &weighing.errors, true,
                      "cannot be kept: the Service %.*s has an error", SLICE_ARG(parts[i]->target.service));
        }
    }
    if (weighing.weights) {
        note_strangers(&weighing);
    }
    for (size_t i = 0; i < count; i++) {
        k8s_copy_errors(k8s, &weighing.errors, &parts[i]->errors);
    }
}

/* ---- servers ---- */

void legacy_servers(struct k8s *k8s, struct legacy_part *part)
{
    struct slice protocol = legacy_text(part->ingress->annotations, "protocol");
    struct k8s_backend backend = {
        .name = part->target.service,
        .port = part->target.port,
        .scheme = protocol,
        .empty = K8S_EMPTY_KEPT,
    };

    part->share = part->sharers = 1;
    if (protocol.len && !slice_eq(protocol, SLICE("http")) && !slice_eq(protocol, SLICE("https")) &&
        !slice_eq(protocol, SLICE("h2c"))) {
        struct k8s_place at =
            legacy_place(k8s, &part->ingress->place, part->ingress->annotations, "protocol");

        k8s_error(k8s, &at, &part->errors, true, "\"%.*s\" is none of http, https, h2c", SLICE_ARG(protocol));
        return;
    }
    (void)k8s_load_servers(k8s, &part->place, &part->errors, &backend, part->place.object->namespace,
                           &part->servers);
}

static bool good(const struct legacy_part *part)
{
    return part->errors.status != ELEMENT_DISABLED;
}

/* The least number that all sharers divide, if it is not too large. */
static uint64_t denominator(const struct legacy_frontend *frontend)
{
    uint64_t common = 1;

    for (size_t i = 0; i < frontend->count && common <= DENOMINATOR_MAX; i++) {
        uint64_t sharers = frontend->parts[i]->sharers;

        if (good(frontend->parts[i]) && sharers) {
            common = common / gcd(common, sharers) * sharers;
        }
    }
    return common > DENOMINATOR_MAX ? DENOMINATOR_MAX : common;
}

/* A server that several parts have is one server: the last weight counts, as in Traefik 1. */
static void collect(struct k8s *k8s, struct legacy_frontend *frontend, struct list *out)
{
    uint64_t common = denominator(frontend), whole = 0;
    struct server_config *servers = NULL;
    size_t count = 0, capacity = 0;
    struct seen urls;

    seen_init(&urls, k8s->scratch);
    for (size_t i = 0; i < frontend->count; i++) {
        const struct legacy_part *part = frontend->parts[i];
        const struct server_config *from = part->servers.items;
        uint64_t weight = part->sharers ? part->share * common / part->sharers : 0;

        for (size_t j = 0; good(part) && j < part->servers.count; j++) {
            uint64_t *place = seen_get(&urls, from[j].url);

            if (place == NULL) {
                place = pool_alloc(k8s->scratch, sizeof(*place));
                *place = count;
                seen_set(&urls, from[j].url, place);
                servers = pool_grow(k8s->model->pool, servers, count, &capacity, sizeof(*servers));
                count++;
            }
            servers[*place] = from[j];
            servers[*place].weight = (struct opt_int){.set = true, .value = (int64_t)weight};
        }
    }
    for (size_t i = 0; i < count; i++) {
        whole = gcd((uint64_t)servers[i].weight.value, whole);
    }
    for (size_t i = 0; i < count; i++) {
        servers[i].weight.value = whole ? servers[i].weight.value / (int64_t)whole : 0;
        if (servers[i].weight.value == 1) {
            servers[i].weight = (struct opt_int){0}; /* the default */
        }
    }
    *out = (struct list){servers, count};
}

/* ---- the balancer ---- */

static void sticky(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                   struct element *element, struct load_balancer *lb)
{
    struct slice name = legacy_text(annotations, "session-cookie-name");

    if (legacy_bool(k8s, place, annotations, "affinity", false, element)) {
        lb->sticky = pool_zalloc(k8s->model->pool, sizeof(*lb->sticky));
        schema_defaults(&sticky_schema, k8s->model->pool, lb->sticky);
        lb->sticky->cookie = pool_zalloc(k8s->model->pool, sizeof(*lb->sticky->cookie));
        lb->sticky->cookie->name = name;
        lb->sticky->cookie->path = SLICE("/");
    }
}

static void service_options(struct k8s *k8s, struct legacy_frontend *frontend, struct load_balancer *lb)
{
    struct k8s_place place = {.object = frontend->service};
    const struct doc *annotations = doc_path(frontend->service->doc, "metadata", "annotations", NULL);
    struct slice method = legacy_text(annotations, "load-balancer-method");
    struct slice interval = legacy_text(annotations, "responseforwarding-flushinterval");
    struct error why;

    sticky(k8s, &place, annotations, &frontend->errors, lb);
    if (method.len && !slice_eq_nocase(method, SLICE("wrr"))) {
        struct k8s_place at = legacy_place(k8s, &place, annotations, "load-balancer-method");

        k8s_error(k8s, &at, &frontend->errors, false, "\"%.*s\" is no longer there: wrr is used",
                  SLICE_ARG(method));
    }
    if (interval.len && parse_duration(interval, &lb->response_forwarding->flush_interval, &why) < 0) {
        struct k8s_place at = legacy_place(k8s, &place, annotations, "responseforwarding-flushinterval");

        k8s_error(k8s, &at, &frontend->errors, false, "%s: it has no effect", why.text);
    }
}

void legacy_balance(struct k8s *k8s, struct legacy_frontend *frontend, struct service_config *config)
{
    const struct ingress *ingress = frontend->parts[0]->ingress;
    struct load_balancer *lb = pool_zalloc(k8s->model->pool, sizeof(*lb));
    bool pass = legacy_bool(k8s, &ingress->place, ingress->annotations, "preserve-host",
                            !k8s->options->legacy.disable_pass_host_headers, &frontend->errors);

    schema_defaults(&load_balancer_schema, k8s->model->pool, lb);
    pass =
        legacy_bool(k8s, &ingress->place, ingress->annotations, "pass-host-header", pass, &frontend->errors);
    lb->pass_host_header = (struct opt_bool){.set = true, .value = pass};
    if (frontend->service) {
        service_options(k8s, frontend, lb);
    }
    collect(k8s, frontend, &lb->servers);
    *config = (struct service_config){.load_balancer = lb};
}
