/*
 * lease.c - contract in lease.h.
 */
#include "master/kube/lease.h"

#include <errno.h>
#include <stdio.h>

#include "common/doc/doc.h"

#define SECOND INT64_C(1000000000)
#define DURATION_S 15
#define RENEW_DEADLINE_S 10
#define RETRY_MS 2000

static bool is_mine(const struct lease *lease, const struct lease_record *record)
{
    return strcmp(lease->identity, record->holder) == 0;
}

void lease_init(struct lease *lease, struct slice identity)
{
    *lease = (struct lease){.seen_ns = 0};
    (void)slice_to_cstr(slice_head(identity, LEASE_HOLDER - 1), lease->identity, LEASE_HOLDER);
}

static bool record_same(const struct lease_record *a, const struct lease_record *b)
{
    return strcmp(a->holder, b->holder) == 0 && strcmp(a->renewed, b->renewed) == 0 &&
           strcmp(a->acquired, b->acquired) == 0 && a->duration_s == b->duration_s &&
           a->transitions == b->transitions;
}

/* Ours from now on, made of what was there. */
static void claim(const struct lease *lease, const struct lease_record *before, int64_t now_us,
                  struct lease_record *next)
{
    *next = *before;
    next->duration_s = DURATION_S;
    moment_micro_text(now_us, next->renewed);
    if (!is_mine(lease, before)) {
        memcpy(next->holder, lease->identity, sizeof(next->holder));
        memcpy(next->acquired, next->renewed, sizeof(next->acquired));
        next->transitions += before->version[0] != '\0'; /* a new one has changed hands never */
    }
}

enum lease_step lease_seen(struct lease *lease, const struct lease_record *record, int64_t now_ns,
                           int64_t now_us, struct lease_record *next)
{
    static const struct lease_record none;

    if (record == NULL) {
        lease->is_known = false;
        lease->renewed_ns = 0;
        claim(lease, &none, now_us, next);
        return LEASE_CREATE;
    }
    if (!lease->is_known || !record_same(&lease->seen, record)) {
        lease->seen_ns = now_ns;
    }
    lease->seen = *record;
    lease->is_known = true;
    lease->must_ask = false;
    if (!is_mine(lease, record)) {
        lease->renewed_ns = 0;
        if (record->holder[0] && now_ns - lease->seen_ns < record->duration_s * SECOND) {
            return LEASE_WAIT;
        }
    }
    claim(lease, record, now_us, next);
    return LEASE_UPDATE;
}

bool lease_renewal(const struct lease *lease, int64_t now_us, struct lease_record *next)
{
    if (lease->must_ask || !lease->is_known || lease->renewed_ns == 0 || !is_mine(lease, &lease->seen)) {
        return false;
    }
    claim(lease, &lease->seen, now_us, next);
    return true;
}

void lease_written(struct lease *lease, const struct lease_record *record, struct slice version,
                   int64_t began_ns)
{
    lease->seen = *record;
    (void)slice_to_cstr(slice_head(version, sizeof(lease->seen.version) - 1), lease->seen.version,
                        sizeof(lease->seen.version));
    lease->is_known = true;
    lease->must_ask = false;
    lease->seen_ns = began_ns;
    lease->renewed_ns = is_mine(lease, record) ? began_ns : 0;
}

void lease_refused(struct lease *lease)
{
    lease->must_ask = true;
}

bool lease_leads(const struct lease *lease, int64_t now_ns)
{
    return lease->renewed_ns != 0 && now_ns - lease->renewed_ns < RENEW_DEADLINE_S * SECOND;
}

bool lease_release(struct lease *lease, int64_t now_us, struct lease_record *next)
{
    if (!lease_renewal(lease, now_us, next)) {
        return false;
    }
    next->holder[0] = '\0';
    next->duration_s = 1;
    memcpy(next->acquired, next->renewed, sizeof(next->acquired));
    lease->renewed_ns = 0;
    return true;
}

uint64_t lease_due_ms(const struct lease *lease, uint32_t noise)
{
    return lease->renewed_ns != 0 ? RETRY_MS : RETRY_MS + noise % (RETRY_MS / 5 * 6);
}

/* ---- as an object ---- */
static void add_member(struct text *out, const char *key, const char *value)
{
    text_printf(out, ",\"%s\":", key);
    text_add_json(out, slice_cstr(value));
}

void lease_write(const struct lease_record *record, struct slice namespace, struct slice name,
                 struct text *out)
{
    text_add_cstr(out,
                  "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":");
    text_add_json(out, name);
    text_add_cstr(out, ",\"namespace\":");
    text_add_json(out, namespace);
    if (record->version[0]) {
        add_member(out, "resourceVersion", record->version);
    }
    text_printf(out, "},\"spec\":{\"leaseDurationSeconds\":%lld,\"leaseTransitions\":%lld",
                (long long)record->duration_s, (long long)record->transitions);
    add_member(out, "holderIdentity", record->holder);
    add_member(out, "acquireTime", record->acquired);
    add_member(out, "renewTime", record->renewed);
    text_add_cstr(out, "}}");
}

static void take(const struct doc *map, const char *key, char *out, size_t size)
{
    (void)slice_to_cstr(slice_head(doc_text(doc_get(map, key), SLICE("")), size - 1), out, size);
}

int lease_read(struct slice text, struct lease_record *out, struct error *why)
{
    struct pool *pool = pool_new(2048, 0);
    struct doc *lease = NULL;
    const struct doc *spec;
    int rc = doc_read_json(pool, SLICE("Lease"), text, &lease, why);

    *out = (struct lease_record){.duration_s = 0};
    if (rc == 0) {
        spec = doc_get(lease, "spec");
        take(spec, "holderIdentity", out->holder, sizeof(out->holder));
        take(spec, "acquireTime", out->acquired, sizeof(out->acquired));
        take(spec, "renewTime", out->renewed, sizeof(out->renewed));
        take(doc_get(lease, "metadata"), "resourceVersion", out->version, sizeof(out->version));
        (void)doc_int(doc_get(spec, "leaseDurationSeconds"), &out->duration_s);
        (void)doc_int(doc_get(spec, "leaseTransitions"), &out->transitions);
        if (out->version[0] == '\0') {
            rc = error_set(why, -EPROTO, "a Lease without resourceVersion");
        }
    }
    pool_free(pool);
    return rc;
}
