/*
 * test_verdict.c - what became of objects: one verdict each, in words; what of it is new; how it is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "master/kube/verdict.h"
#include "master/provider/kubernetes.h"

static const struct kube_resource resources[] = {
    {.group = "traefik.io",
     .version = "v1alpha1",
     .plural = "ingressroutes",
     .kind = "IngressRoute",
     .status = KUBE_STATUS_CONDITIONS},
    {.group = "traefik.containo.us",
     .version = "v1alpha1",
     .plural = "ingressroutes",
     .kind = "IngressRoute",
     .status = KUBE_STATUS_CONDITIONS},
    {.group = "networking.k8s.io",
     .version = "v1",
     .plural = "ingresses",
     .kind = "Ingress",
     .status = KUBE_STATUS_BALANCER},
    {.group = "", .version = "v1", .plural = "services", .kind = "Service"},
    {.kind = NULL},
};

static struct kube_batch *batch_of(const struct kube_resource *resource, const char *name)
{
    struct kube_batch *batch;
    char text[256], version[64];

    (void)snprintf(text, sizeof(text),
                   "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"n\",\"uid\":\"u-%s\",\"generation\":3}}",
                   name, name);
    assert_int_equal(kube_object_read(resource, slice_cstr(text), &batch, version, NULL), 0);
    return batch;
}

static void add_router(struct model *model, const char *object, const char *name, enum element_status status,
                       const char *error)
{
    struct http_router *router = model_add_router(model, slice_cstr(name), SLICE("p"));

    router->element.origin.object = slice_cstr(object);
    if (error) {
        element_error(model, &router->element, status == ELEMENT_DISABLED, "%s", error);
    }
}

static int balancer(const struct static_config *config, const struct kube_store *store, struct pool *pool,
                    const struct doc **out, struct error *why)
{
    struct doc *list;

    (void)config;
    (void)store;
    if (doc_read_json(pool, SLICE("b"), SLICE("[{\"ip\":\"192.0.2.1\"}]"), &list, why) < 0) {
        return -1;
    }
    *out = list;
    return 0;
}

static void expect(const struct kube_verdict *verdict, const char *name, const char *group,
                   const char *reason, const char *message)
{
    char got[64];

    assert_true(slice_to_cstr(verdict->object->name, got, sizeof(got)));
    assert_string_equal(got, name);
    assert_string_equal(verdict->resource->group, group);
    assert_string_equal(verdict->reason, reason);
    assert_string_equal(verdict->message.ptr, message);
}

static void each_object_gets_what_became_of_its_parts(void **state)
{
    static const char *const names[] = {"bad", "good", "none", "partly", "said", "several", "warned"};
    static const struct origin said = {.object = {"IngressRoute n/said", 19}};
    struct kube_batch *batches[16];
    struct model *model = model_new();
    size_t count = 0;

    (void)state;
    batches[count++] = batch_of(&resources[2], "mine");
    batches[count++] = batch_of(&resources[2], "other");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (i == 1) { /* in the older group too, which sorts before the newer one */
            batches[count++] = batch_of(&resources[1], names[i]);
        }
        batches[count++] = batch_of(&resources[0], names[i]);
    }
    batches[count++] = batch_of(&resources[3], "app");
    struct kube_store *store = store_from_sorted(batches, count);

    add_router(model, "IngressRoute n/bad", "bad", ELEMENT_DISABLED, "spec.a: is wrong");
    add_router(model, "IngressRoute n/good", "good", ELEMENT_ENABLED, NULL);
    add_router(model, "IngressRoute n/partly", "p0", ELEMENT_ENABLED, NULL);
    add_router(model, "IngressRoute n/partly", "p1", ELEMENT_DISABLED, "the service x does not exist");
    add_router(model, "IngressRoute n/several", "s0", ELEMENT_DISABLED, "spec: same");
    add_router(model, "IngressRoute n/several", "s1", ELEMENT_DISABLED, "spec: same");
    add_router(model, "IngressRoute n/warned", "w", ELEMENT_WARNING, "not so good");
    add_router(model, "Ingress n/other", "o", ELEMENT_ENABLED, NULL); /* nobody claimed it */
    add_router(model, "Service n/app", "x", ELEMENT_ENABLED, NULL);
    model_notice(model, true, &said, "spec: is missing");

    const struct kube_object *claims[] = {batches[0]->objects};
    const struct k8s_judging judging = {
        .provider = "p", .resources = resources, .claims = claims, .claim_count = 1, .balancer = balancer};
    struct kube_verdicts *verdicts = k8s_verdicts(&judging, store, model, NULL);

    assert_int_equal(verdicts->count, 8);
    expect(&verdicts->items[0], "mine", "networking.k8s.io", "Accepted", "in force");
    assert_string_equal(verdicts->items[0].balancer.ptr, "[{\"ip\":\"192.0.2.1\"}]");
    expect(&verdicts->items[1], "bad", "traefik.io", "Refused", "spec.a: is wrong");
    expect(&verdicts->items[2], "good", "traefik.containo.us", "Superseded",
           "there is one of this name in the newer API group, which counts: remove this one");
    expect(&verdicts->items[3], "good", "traefik.io", "Accepted", "in force");
    expect(&verdicts->items[4], "partly", "traefik.io", "PartlyRefused",
           "1 of 2 routes refused: p1: the service x does not exist");
    expect(&verdicts->items[5], "said", "traefik.io", "Refused", "spec: is missing");
    expect(&verdicts->items[6], "several", "traefik.io", "Refused", "spec: same");
    expect(&verdicts->items[7], "warned", "traefik.io", "AcceptedWithWarnings", "not so good");
    assert_int_equal(verdicts->items[7].accepted, KUBE_ACCEPTED);
    kube_verdicts_free(verdicts);
    kube_store_free(store);
    for (size_t i = 0; i < count; i++) {
        batch_unref(batches[i]);
    }
    model_free(model);
}

static void a_long_message_is_cut_between_characters(void **state)
{
    struct kube_batch *batch = batch_of(&resources[0], "a");
    struct kube_verdicts *verdicts = kube_verdicts_new(store_from_sorted(&batch, 1));
    char long_text[3002] = "x";

    (void)state;
    for (size_t i = 1; i + 2 <= 3001; i += 2) {
        memcpy(long_text + i, "\xc3\xa4", 2);
    }
    kube_verdict_add(verdicts, batch->objects, &resources[0], KUBE_REFUSED, "Refused",
                     slice_of(long_text, 3001), NULL);
    assert_int_equal(verdicts->items[0].message.len, VERDICT_NOTE_MOST - 1);
    assert_true(doc_is_utf8(verdicts->items[0].message));
    kube_verdict_add(verdicts, batch->objects, &resources[0], KUBE_REFUSED, "Refused",
                     SLICE("a\xc3"
                           "b\xff"),
                     NULL);
    assert_string_equal(verdicts->items[1].message.ptr, "a?b?");
    kube_verdicts_free(verdicts);
    batch_unref(batch);
}

static void only_what_is_new_is_said(void **state)
{
    enum { NEW = 77, OLD = 66 };
    static const struct {
        enum kube_accepted now;
        uint64_t term; /* of what was written; 5 is ours */
        struct kube_words carried, written;
        bool status, event;
    } cases[] = {
        {KUBE_ACCEPTED, 0, {0}, {0}, true, false}, /* nobody has said anything */
        {KUBE_REFUSED, 0, {0}, {0}, true, true},
        {KUBE_REFUSED, 0, {KUBE_REFUSED, NEW, 3, 0}, {0}, false, false}, /* it is there: after a restart */
        {KUBE_REFUSED, 0, {KUBE_REFUSED, NEW, 2, 0}, {0}, true, false},  /* of another generation */
        {KUBE_REFUSED, 0, {KUBE_REFUSED, OLD, 3, 0}, {0}, true, true},   /* another error */
        {KUBE_REFUSED, 0, {KUBE_ACCEPTED, OLD, 3, 0}, {0}, true, true},
        {KUBE_ACCEPTED, 0, {KUBE_REFUSED, OLD, 3, 0}, {0}, true, true}, /* well again */
        {KUBE_ACCEPTED, 0, {KUBE_ACCEPTED, OLD, 3, 0}, {0}, true, false},
        {KUBE_ACCEPTED,
         4,
         {KUBE_ACCEPTED, NEW, 3, 0},
         {KUBE_REFUSED, OLD, 3, 0},
         false,
         false},                                                         /* an older term */
        {KUBE_REFUSED, 5, {0}, {KUBE_REFUSED, NEW, 3, 0}, false, false}, /* written, not yet seen */
        {KUBE_REFUSED,
         5,
         {KUBE_ACCEPTED, OLD, 3, 0},
         {KUBE_REFUSED, NEW, 3, 0},
         false,
         false}, /* others' words */
        {KUBE_REFUSED,
         5,
         {KUBE_ACCEPTED, OLD, 3, 0},
         {KUBE_REFUSED, NEW, -1, 0},
         true,
         false}, /* the Event only */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct kube_verdict verdict = {
            .resource = &resources[0], .accepted = cases[i].now, .words = {cases[i].now, NEW, 0, 0}};
        const struct kube_note note = {.carried = {.generation = 3, .words = cases[i].carried},
                                       .term = cases[i].term,
                                       .words = cases[i].written};
        struct kube_needs needs = kube_verdict_needs(&verdict, &note, 5);

        if (needs.status != cases[i].status || needs.event != cases[i].event) {
            fail_msg("case %zu: status %d, event %d", i, needs.status, needs.event);
        }
    }
}

static void addresses_are_compared_with_addresses(void **state)
{
    struct kube_verdict verdict = {
        .resource = &resources[2], .accepted = KUBE_ACCEPTED, .words = {KUBE_ACCEPTED, 1, 0, 9}};
    struct kube_note note = {.carried = {.generation = 3, .words = {.balancer = 8}}};

    (void)state;
    assert_false(kube_verdict_needs(&verdict, &note, 1).status); /* no option says which */
    verdict.balancer = SLICE("[]");
    assert_true(kube_verdict_needs(&verdict, &note, 1).status);
    note.carried.words.balancer = 9;
    assert_false(kube_verdict_needs(&verdict, &note, 1).status);
    assert_false(kube_verdict_needs(&verdict, &note, 1).event);
}

static struct slice at(const struct doc *root, const char *a, const char *b)
{
    return doc_text(b ? doc_path(root, a, b, NULL) : doc_get(root, a), SLICE("-"));
}

static const struct doc *written(struct pool *pool, const struct kube_verdict *verdict,
                                 const struct kube_note *note, bool event)
{
    struct text text;
    struct doc *doc = NULL;
    struct error why;

    text_init(&text);
    if (event) {
        kube_verdict_event(verdict, note, SLICE("weir-0_ab"), INT64_C(1763718000000042), &text);
    } else {
        kube_verdict_body(verdict, note, 5, 1763718000, &text);
    }
    if (doc_read_json(pool, SLICE("written"), text_slice(&text), &doc, &why) < 0) {
        fail_msg("%s: %s", why.text, text.ptr);
    }
    text_free(&text);
    return doc;
}

static void time_moves_only_when_the_answer_does(void **state)
{
    struct kube_batch *batch = batch_of(&resources[0], "a");
    struct kube_verdicts *verdicts = kube_verdicts_new(store_from_sorted(&batch, 1));
    struct kube_note note = {
        .carried = {.generation = 3, .since_s = 1000000000, .words = {.accepted = KUBE_REFUSED, .hash = 1}}};
    struct pool *pool = pool_new(4096, 0);
    const struct doc *body, *condition;

    (void)state;
    kube_verdict_add(verdicts, batch->objects, &resources[0], KUBE_REFUSED, "Refused", SLICE("a \"b\""),
                     NULL);
    body = written(pool, verdicts->items, &note, false);
    condition = doc_path(body, "status", "conditions", NULL)->list.items[0];
    assert_true(slice_eq(at(condition, "lastTransitionTime", NULL), SLICE("2001-09-09T01:46:40Z")));
    assert_true(slice_eq(at(condition, "message", NULL), SLICE("a \"b\"")));
    assert_true(slice_eq(at(condition, "status", NULL), SLICE("False")));
    assert_true(slice_eq(at(condition, "observedGeneration", NULL), SLICE("3")));
    assert_true(slice_eq(at(body, "metadata", "name"), SLICE("a")));
    assert_true(slice_eq(at(body, "apiVersion", NULL), SLICE("traefik.io/v1alpha1")));
    note.carried.words.accepted = KUBE_ACCEPTED;
    body = written(pool, verdicts->items, &note, false);
    condition = doc_path(body, "status", "conditions", NULL)->list.items[0];
    assert_true(slice_eq(at(condition, "lastTransitionTime", NULL), SLICE("2025-11-21T09:40:00Z")));
    pool_free(pool);
    kube_verdicts_free(verdicts);
    batch_unref(batch);
}

static void an_event_has_the_name_of_what_it_says(void **state)
{
    struct kube_batch *batch = batch_of(&resources[0], "a");
    struct kube_verdicts *verdicts = kube_verdicts_new(store_from_sorted(&batch, 1));
    struct kube_note note = {.carried = {.generation = 3}};
    struct pool *pool = pool_new(4096, 0);
    const struct doc *first, *again, *other;

    (void)state;
    kube_verdict_add(verdicts, batch->objects, &resources[0], KUBE_REFUSED, "Refused", SLICE("why"), NULL);
    first = written(pool, verdicts->items, &note, true);
    again = written(pool, verdicts->items, &note, true);
    note.carried.generation = 4;
    other = written(pool, verdicts->items, &note, true);
    assert_true(slice_eq(at(first, "type", NULL), SLICE("Warning")));
    assert_true(slice_eq(at(first, "note", NULL), SLICE("why")));
    assert_true(slice_eq(at(first, "eventTime", NULL), SLICE("2025-11-21T09:40:00.000042Z")));
    assert_true(slice_eq(at(first, "regarding", "uid"), SLICE("u-a")));
    assert_true(slice_has_prefix(at(first, "metadata", "name"), SLICE("a.")));
    assert_true(slice_eq(at(first, "metadata", "name"), at(again, "metadata", "name")));
    assert_false(slice_eq(at(first, "metadata", "name"), at(other, "metadata", "name")));
    pool_free(pool);
    kube_verdicts_free(verdicts);
    batch_unref(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_object_gets_what_became_of_its_parts),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(only_what_is_new_is_said),
        cmocka_unit_test(addresses_are_compared_with_addresses),
        cmocka_unit_test(time_moves_only_when_the_answer_does),
        cmocka_unit_test(an_event_has_the_name_of_what_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
