/*
 * vault_kept.c - what must outlive a master: keys of session tickets, the certificate that was made here,
 * what was learned of others (learned.h), OCSP answers.
 *
 * It lies in a memfd of the guard's, which nobody but masters is given: a head, the ticket keys, the certificate and its
 * key in DER, the sets, a digest of it all, written as a whole; a master that dies while it writes leaves a digest that does not
 * fit, and the next one begins anew (which costs each client one full handshake). Then, at a place of their own, the OCSP
 * answers, which may be many: records, each with its hash. New ones are put behind the others; all are written anew when half
 * of them may be of no use any more, or one could not be written.
 */
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/tls/learned.h"
#include "master/tls/staples.h"
#include "master/tls/vault_inner.h"

#define MAGIC "weir vault 4\n"
#define ROTATE_SECONDS (12 * 3600) /* a ticket opens for TICKET_KEYS times as long at most */
#define STAPLES_AT ((size_t)65536 + LEARNED_KEPT)
#define STAPLES_SLACK ((size_t)1 << 20) /* so much of no use is no matter */

struct head {
    char magic[16];
    uint8_t digest[SHA256_DIGEST_LENGTH]; /* of all behind it, but the OCSP answers */
    int64_t made;
    uint64_t ticket_count;
    struct ticket_key tickets[TICKET_KEYS];
    uint64_t certificate_size, key_size; /* 0: not made yet */
    uint64_t sets_size;
};

#define DIGEST_END (offsetof(struct head, digest) + SHA256_DIGEST_LENGTH)

static void digest_of(const uint8_t *bytes, size_t size, uint8_t out[SHA256_DIGEST_LENGTH])
{
    SHA256(bytes + DIGEST_END, size - DIGEST_END, out);
}

/* ---- writing ---- */
static void write_all(int fd, const uint8_t *bytes, size_t size)
{
    if (size > STAPLES_AT || pwrite(fd, bytes, size, 0) != (ssize_t)size) {
        log_warn("Keys of session tickets cannot be kept for the next master: %m");
    } else if (size < STAPLES_AT) { /* sets that were longer */
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)size,
                        (off_t)(STAPLES_AT - size));
    }
}

void kept_store_staples(struct vault *vault)
{
    struct kept *kept = &vault->kept;
    bool all = kept->staples_torn || kept->staples_len > 2 * kept->staples_base + STAPLES_SLACK;
    struct text out;

    if (vault->fd == -1) {
        return;
    }
    text_init(&out);
    staples_pack(vault->staples, all, &out);
    if (!all && kept->staples_len + out.len > STAPLES_KEPT) {
        all = true;
        text_clear(&out);
        staples_pack(vault->staples, all, &out);
    }

    size_t at = all ? 0 : kept->staples_len;
    struct slice bytes = text_slice(&out);

    kept->staples_torn = (bytes.len && pwrite(vault->fd, bytes.ptr, bytes.len, (off_t)(STAPLES_AT + at)) !=
                                           (ssize_t)bytes.len) ||
                         ftruncate(vault->fd, (off_t)(STAPLES_AT + at + bytes.len)) == -1;
    if (kept->staples_torn) {
        log_warn("OCSP answers cannot be kept for the next master: %m");
    }
    kept->staples_len = at + bytes.len;
    kept->staples_base = all ? bytes.len : kept->staples_base;
    text_free(&out);
}

void kept_store(const struct vault *vault)
{
    const struct kept *kept = &vault->kept;
    struct slice certificate = {NULL, 0}, key = {NULL, 0};
    struct head head = {.magic = MAGIC, .made = kept->made, .ticket_count = kept->ticket_count};

    if (vault->fd == -1) {
        return;
    }
    if (kept->fallback.pool) {
        certificate = *(const struct slice *)kept->fallback.row.chain.items;
        key = kept->fallback.row.key;
    }
    memcpy(head.tickets, kept->tickets, sizeof(head.tickets));
    head.certificate_size = certificate.len;
    head.key_size = key.len;
    head.sets_size = kept->learned.len;

    size_t pair = sizeof(head) + certificate.len + key.len, size = pair + kept->learned.len;
    uint8_t *bytes = xmalloc(size);

    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), certificate.len ? certificate.ptr : "", certificate.len);
    memcpy(bytes + sizeof(head) + certificate.len, key.len ? key.ptr : "", key.len);
    memcpy(bytes + pair, kept->learned.len ? text_slice(&kept->learned).ptr : "", kept->learned.len);
    digest_of(bytes, size, bytes + offsetof(struct head, digest));
    write_all(vault->fd, bytes, size);
    OPENSSL_cleanse(bytes, size);
    OPENSSL_cleanse(&head, sizeof(head));
    free(bytes);
}

/* ---- reading ---- */
static bool unwrap(struct keypair *out, const uint8_t *certificate, size_t certificate_size,
                   const uint8_t *key, size_t key_size)
{
    const uint8_t *at = certificate;
    X509 *parsed = d2i_X509(NULL, &at, (long)certificate_size);
    CBS cbs;

    CBS_init(&cbs, key, key_size);

    EVP_PKEY *parsed_key = EVP_parse_private_key(&cbs);
    struct error why;
    bool good = parsed && parsed_key && keypair_wrap(parsed, parsed_key, out, &why) == 0;

    EVP_PKEY_free(parsed_key);
    X509_free(parsed);
    return good;
}

/* Of another build, or half of it? *size: of what is there, then of what it says. */
static bool is_whole(const struct head *head, const uint8_t *bytes, size_t *size)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    if (memcmp(head->magic, MAGIC, sizeof(MAGIC)) != 0 || head->ticket_count > TICKET_KEYS ||
        head->certificate_size > *size || head->key_size > *size || head->sets_size > *size ||
        sizeof(*head) + head->certificate_size + head->key_size + head->sets_size > *size) {
        return false;
    }
    *size = sizeof(*head) + (size_t)(head->certificate_size + head->key_size + head->sets_size);
    digest_of(bytes, *size, digest);
    return memcmp(head->digest, digest, sizeof(digest)) == 0;
}

static void take(struct vault *vault, const uint8_t *bytes, size_t size)
{
    struct kept *kept = &vault->kept;
    struct head head;

    if (size < sizeof(head)) {
        return;
    }
    memcpy(&head, bytes, sizeof(head));
    if (!is_whole(&head, bytes, &size)) {
        return;
    }
    kept->made = head.made;
    kept->ticket_count = (size_t)head.ticket_count;
    memcpy(kept->tickets, head.tickets, sizeof(kept->tickets));
    if (head.certificate_size) {
        (void)unwrap(&kept->fallback, bytes + sizeof(head), (size_t)head.certificate_size,
                     bytes + sizeof(head) + head.certificate_size, (size_t)head.key_size);
    }
    text_add(&kept->learned, slice_of((const char *)bytes + size - head.sets_size, (size_t)head.sets_size));
    learned_unpack(vault->learned, text_slice(&kept->learned));
    OPENSSL_cleanse(&head, sizeof(head));
}

/* What is there of it from there on, in memory of its own; its length. */
static size_t read_part(int fd, size_t from, size_t most, uint8_t **out)
{
    off_t there = lseek(fd, 0, SEEK_END);
    size_t size = there > (off_t)from ? (size_t)there - from : 0;
    ssize_t got;

    size = size < most ? size : most;
    *out = xmalloc(size);
    got = pread(fd, *out, size, (off_t)from);
    return got > 0 ? (size_t)got : 0;
}

static void load(struct vault *vault)
{
    struct kept *kept = &vault->kept;
    uint8_t *bytes;
    size_t size = read_part(vault->fd, 0, STAPLES_AT, &bytes);

    take(vault, bytes, size);
    OPENSSL_cleanse(bytes, size);
    free(bytes);
    size = read_part(vault->fd, STAPLES_AT, STAPLES_KEPT, &bytes);
    kept->staples_len = kept->staples_base =
        staples_unpack(vault->staples, slice_of((const char *)bytes, size), (int64_t)time(NULL));
    free(bytes);
}

/* They may hold secrets. */
static void kept_forget_learned(struct kept *kept)
{
    struct slice bytes = text_slice(&kept->learned);

    if (bytes.len) {
        OPENSSL_cleanse((void *)(uintptr_t)bytes.ptr, bytes.len);
    }
    text_clear(&kept->learned);
}

void kept_free(struct kept *kept)
{
    keypair_free(&kept->fallback);
    OPENSSL_cleanse(kept->tickets, sizeof(kept->tickets));
    kept_forget_learned(kept);
    text_free(&kept->learned);
}

/* ---- using ---- */
static void add_ticket(struct kept *kept, int64_t now)
{
    memmove(kept->tickets + 1, kept->tickets, (TICKET_KEYS - 1) * sizeof(kept->tickets[0]));
    RAND_bytes((uint8_t *)kept->tickets, sizeof(kept->tickets[0]));
    kept->ticket_count += kept->ticket_count < TICKET_KEYS;
    kept->made = now;
}

void vault_adopt(struct vault *vault, int fd)
{
    pthread_mutex_lock(&vault->mutex);
    vault->fd = fd;
    load(vault);
    pthread_mutex_unlock(&vault->mutex);
}

void vault_keep_learned(struct vault *vault)
{
    pthread_mutex_lock(&vault->mutex);
    kept_forget_learned(&vault->kept);
    learned_pack(vault->learned, &vault->kept.learned);
    kept_store(vault);
    pthread_mutex_unlock(&vault->mutex);
}

bool vault_rotate(struct vault *vault, int64_t now)
{
    bool due;

    pthread_mutex_lock(&vault->mutex);
    due = vault->kept.ticket_count == 0 || now - vault->kept.made >= ROTATE_SECONDS ||
          now < vault->kept.made - ROTATE_SECONDS; /* the clock was set back */
    if (due) {
        add_ticket(&vault->kept, now);
        kept_store(vault);
    }
    pthread_mutex_unlock(&vault->mutex);
    return due;
}

size_t vault_tickets(struct vault *vault, struct ticket_key out[TICKET_KEYS])
{
    size_t count;

    pthread_mutex_lock(&vault->mutex);
    count = vault->kept.ticket_count;
    memcpy(out, vault->kept.tickets, sizeof(vault->kept.tickets));
    pthread_mutex_unlock(&vault->mutex);
    return count;
}

const struct keypair *vault_default(struct vault *vault)
{
    struct kept *kept = &vault->kept;
    struct error why;

    pthread_mutex_lock(&vault->mutex);
    if (kept->fallback.pool == NULL && vault->fallback) {
        if (fallback_make(&kept->fallback, &why) == 0) {
            kept_store(vault);
        } else {
            log_error("There is no default certificate: %s", why.text);
        }
    }
    pthread_mutex_unlock(&vault->mutex);
    return kept->fallback.pool ? &kept->fallback : NULL;
}
