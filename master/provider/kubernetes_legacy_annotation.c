/*
 * kubernetes_legacy_annotation.c - the annotations of Traefik 1: their names and spellings, and how their values are read.
 *
 * The table holds all of Traefik 1.7's. Not here: what they mean (kubernetes_legacy_*.c).
 */
#include "master/provider/kubernetes_legacy.h"

#include <stdio.h>

#define PREFIX "ingress.kubernetes.io/"

enum place { INGRESS, SERVICE, NOWHERE };

struct known {
    const char *name;
    enum place place;
    const char *older; /* a spelling before the prefixes */
    const char *hint;  /* NOWHERE: what to write instead */
};

static const struct known table[] = {
    {"rule-type", INGRESS, "traefik.frontend.rule.type", NULL},
    {"request-modifier", INGRESS, NULL, NULL},
    {"rewrite-target", INGRESS, NULL, NULL},
    {"app-root", INGRESS, NULL, NULL},
    {"priority", INGRESS, "traefik.frontend.priority", NULL},
    {"frontend-entry-points", INGRESS, "traefik.frontend.entryPoints", NULL},
    {"preserve-host", INGRESS, "traefik.frontend.passHostHeader", NULL},
    {"pass-host-header", INGRESS, NULL, NULL},
    {"protocol", INGRESS, NULL, NULL},
    {"service-weights", INGRESS, NULL, NULL},
    {"whitelist-source-range", INGRESS, NULL, NULL},
    {"whitelist-x-forwarded-for", INGRESS, NULL, NULL},
    {"redirect-entry-point", INGRESS, "traefik.frontend.redirect.entryPoint", NULL},
    {"redirect-regex", INGRESS, "traefik.frontend.redirect.regex", NULL},
    {"redirect-replacement", INGRESS, "traefik.frontend.redirect.replacement", NULL},
    {"redirect-permanent", INGRESS, NULL, NULL},
    {"pass-tls-cert", INGRESS, "traefik.frontend.passTLSCert", NULL},
    {"pass-client-tls-cert", INGRESS, NULL, NULL},
    {"error-pages", INGRESS, NULL, NULL},
    {"rate-limit", INGRESS, NULL, NULL},
    {"auth-type", INGRESS, NULL, NULL},
    {"auth-secret", INGRESS, NULL, NULL},
    {"auth-realm", INGRESS, NULL, NULL},
    {"auth-header-field", INGRESS, NULL, NULL},
    {"auth-remove-header", INGRESS, NULL, NULL},
    {"auth-url", INGRESS, NULL, NULL},
    {"auth-trust-headers", INGRESS, NULL, NULL},
    {"auth-response-headers", INGRESS, NULL, NULL},
    {"auth-tls-secret", INGRESS, NULL, NULL},
    {"auth-tls-insecure", INGRESS, NULL, NULL},
    {"custom-request-headers", INGRESS, NULL, NULL},
    {"custom-response-headers", INGRESS, NULL, NULL},
    {"allowed-hosts", INGRESS, NULL, NULL},
    {"proxy-headers", INGRESS, NULL, NULL},
    {"ssl-redirect", INGRESS, NULL, NULL},
    {"ssl-temporary-redirect", INGRESS, NULL, NULL},
    {"ssl-proxy-headers", INGRESS, NULL, NULL},
    {"ssl-host", NOWHERE, NULL, "redirect-regex and redirect-replacement"},
    {"ssl-force-host", NOWHERE, NULL, "redirect-regex and redirect-replacement"},
    {"hsts-max-age", INGRESS, NULL, NULL},
    {"hsts-include-subdomains", INGRESS, NULL, NULL},
    {"hsts-preload", INGRESS, NULL, NULL},
    {"force-hsts", INGRESS, NULL, NULL},
    {"frame-deny", INGRESS, NULL, NULL},
    {"custom-frame-options-value", INGRESS, NULL, NULL},
    {"content-type-nosniff", INGRESS, NULL, NULL},
    {"browser-xss-filter", INGRESS, NULL, NULL},
    {"custom-browser-xss-value", INGRESS, NULL, NULL},
    {"content-security-policy", INGRESS, NULL, NULL},
    {"public-key", INGRESS, NULL, NULL},
    {"referrer-policy", INGRESS, NULL, NULL},
    {"is-development", INGRESS, NULL, NULL},
    {"load-balancer-method", SERVICE, "traefik.backend.loadbalancer.method", NULL},
    {"affinity", SERVICE, "traefik.backend.loadbalancer.sticky", NULL},
    {"session-cookie-name", SERVICE, "traefik.backend.loadbalancer.stickiness.cookieName", NULL},
    {"circuit-breaker-expression", SERVICE, "traefik.backend.circuitbreaker", NULL},
    {"max-conn-amount", SERVICE, NULL, NULL},
    {"max-conn-extractor-func", SERVICE, NULL, NULL},
    {"buffering", SERVICE, NULL, NULL},
    {"responseforwarding-flushinterval", SERVICE, NULL, NULL},
};

/* ---- names ---- */

static struct slice bare_name(struct slice key, bool *traefik)
{
    *traefik = slice_has_prefix(key, SLICE("traefik." PREFIX));
    if (*traefik) {
        return slice_from(key, sizeof("traefik." PREFIX) - 1);
    }
    return slice_has_prefix(key, SLICE(PREFIX)) ? slice_from(key, sizeof(PREFIX) - 1) : SLICE("");
}

static const struct known *find_known(struct slice key)
{
    bool traefik;
    struct slice bare = bare_name(key, &traefik);

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (slice_eq(bare, slice_cstr(table[i].name)) ||
            (table[i].older && slice_eq(key, slice_cstr(table[i].older)))) {
            return &table[i];
        }
    }
    return NULL;
}

static const struct doc_entry *first_known(const struct doc *annotations)
{
    for (size_t i = 0; annotations && annotations->kind == DOC_MAP && i < annotations->map.count; i++) {
        if (find_known(annotations->map.entries[i].key)) {
            return &annotations->map.entries[i];
        }
    }
    return NULL;
}

bool legacy_annotated(const struct doc *annotations)
{
    return first_known(annotations) != NULL;
}

bool legacy_ingress(struct k8s *k8s, const struct ingress *ingress)
{
    const struct doc *annotations = ingress->annotations;
    const struct doc_entry *found = first_known(annotations);

    if (found && ingress_has_annotations(annotations, "router")) {
        struct k8s_place at =
            k8s_step(k8s, &ingress->place, found->value, "metadata.annotations.%.*s", SLICE_ARG(found->key));

        k8s_warn(k8s, &at,
                 "annotations of Traefik 1 have no effect beside " INGRESS_ANNOTATIONS
                 "router.*: remove them");
        return false;
    }
    return found != NULL;
}

static const char *nearest(struct slice name)
{
    struct schema_field fields[ARRAY_LEN(table)] = {0};
    struct schema names = {.name = "annotations", .fields = fields, .count = ARRAY_LEN(table)};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        fields[i].name = table[i].name;
    }
    return schema_nearest(&names, name);
}

static bool of_group(struct slice bare, struct slice group)
{
    return bare.len > group.len && slice_eq_nocase(slice_head(bare, group.len), group);
}

/* One annotation: what keeps it from having an effect. */
static void note_entry(struct k8s *k8s, struct ingress *ingress, const struct doc_entry *entry, bool legacy)
{
    const struct known *known = find_known(entry->key);
    struct k8s_place at =
        k8s_step(k8s, &ingress->place, entry->value, "metadata.annotations.%.*s", SLICE_ARG(entry->key));
    bool traefik;
    struct slice bare = bare_name(entry->key, &traefik);

    if (known && !legacy) {
        return; /* told once for all of them */
    }
    if (known && known->place == NOWHERE) {
        k8s_error(k8s, &at, &ingress->errors, false, "has no effect: write %s instead", known->hint);
    } else if ((known && known->place == SERVICE) || (traefik && of_group(bare, SLICE("service.")))) {
        k8s_error(k8s, &at, &ingress->errors, false, "has no effect here: write it on the Service");
    } else if (known == NULL && traefik && !of_group(bare, SLICE("router."))) {
        const char *near = nearest(bare);

        k8s_error(k8s, &at, &ingress->errors, false, "unknown annotation%s%s", near ? ", did you mean " : "",
                  near ? near : "");
    }
}

void legacy_note_unknown(struct k8s *k8s, struct ingress *ingress, bool legacy)
{
    const struct doc *annotations = ingress->annotations;

    for (size_t i = 0; annotations && annotations->kind == DOC_MAP && i < annotations->map.count; i++) {
        note_entry(k8s, ingress, &annotations->map.entries[i], legacy);
    }
}

static const struct doc_entry *find_entry(const struct doc *annotations, const char *key)
{
    for (size_t i = 0; annotations && annotations->kind == DOC_MAP && i < annotations->map.count; i++) {
        if (slice_eq(annotations->map.entries[i].key, slice_cstr(key))) {
            return &annotations->map.entries[i];
        }
    }
    return NULL;
}

/* As it is written: with either prefix, or in the oldest spelling. NULL: not there. */
static const struct doc_entry *entry_of(const struct doc *annotations, const char *name)
{
    static const char *const prefixes[] = {"traefik." PREFIX, PREFIX};
    char key[128];

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        (void)snprintf(key, sizeof(key), "%s%s", prefixes[i], name);
        const struct doc_entry *found = find_entry(annotations, key);

        if (found) {
            return found;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].older && strcmp(table[i].name, name) == 0) {
            return find_entry(annotations, table[i].older);
        }
    }
    return NULL;
}

const struct doc *legacy_get(const struct doc *annotations, const char *name)
{
    const struct doc_entry *entry = entry_of(annotations, name);

    return entry ? entry->value : NULL;
}

/* ---- values ---- */

struct k8s_place legacy_place(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                              const char *name)
{
    const struct doc_entry *entry = entry_of(annotations, name);

    return entry ? k8s_step(k8s, place, entry->value, "metadata.annotations.%.*s", SLICE_ARG(entry->key))
                 : k8s_step(k8s, place, NULL, "metadata.annotations." INGRESS_ANNOTATIONS "%s", name);
}

struct slice legacy_text(const struct doc *annotations, const char *name)
{
    return slice_trim(doc_text(legacy_get(annotations, name), SLICE("")));
}

bool legacy_bool(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                 const char *name, bool fallback, struct element *element)
{
    struct slice text = legacy_text(annotations, name);
    struct error why;
    bool value;

    if (text.len == 0) {
        return fallback;
    }
    if (parse_bool(text, &value, &why) < 0) {
        struct k8s_place at = legacy_place(k8s, place, annotations, name);

        k8s_error(k8s, &at, element, false, "%s: %s counts", why.text, fallback ? "true" : "false");
        return fallback;
    }
    return value;
}

int64_t legacy_int(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                   const char *name, int64_t fallback, struct element *element)
{
    struct slice text = legacy_text(annotations, name);
    int64_t value;

    if (text.len == 0) {
        return fallback;
    }
    if (!slice_to_i64(text, &value)) {
        struct k8s_place at = legacy_place(k8s, place, annotations, name);

        k8s_error(k8s, &at, element, false, "\"%.*s\" is no number: it has no effect", SLICE_ARG(text));
        return fallback;
    }
    return value;
}

struct doc *legacy_pairs(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                         const char *name, struct element *element)
{
    struct slice rest = legacy_text(annotations, name);
    struct doc *map;

    if (rest.len == 0) {
        return NULL;
    }
    map = doc_new(k8s->model->pool, DOC_MAP);
    while (rest.len) {
        ptrdiff_t bars = slice_find_slice(rest, SLICE("||"));
        struct slice item = slice_trim(bars < 0 ? rest : slice_head(rest, (size_t)bars));
        ptrdiff_t colon = slice_find(item, ':');

        rest = bars < 0 ? SLICE("") : slice_from(rest, (size_t)bars + 2);
        if (item.len == 0) {
            continue;
        }
        if (colon <= 0) { /* never the text itself: it may hold a secret */
            struct k8s_place at = legacy_place(k8s, place, annotations, name);

            k8s_error(k8s, &at, element, true, "an entry has no colon: write NAME: VALUE||NAME: VALUE");
            continue;
        }
        struct slice key = slice_trim(slice_head(item, (size_t)colon));

        doc_map_set(k8s->model->pool, map, key,
                    doc_new_string(k8s->model->pool, slice_trim(slice_from(item, (size_t)colon + 1))));
    }
    return map;
}

struct doc *legacy_items(struct k8s *k8s, const struct doc *annotations, const char *name)
{
    struct slice rest = legacy_text(annotations, name);
    struct doc *list;

    if (rest.len == 0) {
        return NULL;
    }
    list = doc_new(k8s->model->pool, DOC_LIST);
    while (rest.ptr) {
        struct slice item = slice_trim(slice_split(&rest, ','));

        if (item.len) {
            doc_list_add(k8s->model->pool, list, doc_new_string(k8s->model->pool, item));
        }
    }
    return list;
}

struct doc *legacy_yaml(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                        const char *name, struct element *element)
{
    struct slice text = legacy_text(annotations, name);
    struct k8s_place at = legacy_place(k8s, place, annotations, name);
    struct doc *doc = NULL;
    struct error why;

    if (text.len == 0) {
        return NULL;
    }
    if (doc_read_yaml(k8s->model->pool, slice_cstr(name), text, &doc, &why) < 0) {
        k8s_error(k8s, &at, element, true, "is no YAML: %s", why.text);
        return NULL;
    }
    if (doc->kind != DOC_MAP) {
        k8s_error(k8s, &at, element, true, "must be a map in YAML");
        return NULL;
    }
    return doc;
}
