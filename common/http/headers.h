/*
 * headers.h - a list of header fields, in order, with known names turned into small ids once.
 *
 * Items live in memory of the list's pool; names and values point into buffers or the pool. Removing marks
 * (id stays, flag REMOVED), so order and indices hold while one walks.
 *
 * A removed item of a name that weir itself would add (X-Forwarded-For...) can mean "a middleware took it
 * away, do not add it": that one has the flag HEADER_SUPPRESSED too. headers_suppressed() asks for it.
 */
#ifndef WEIR_COMMON_HTTP_HEADERS_H
#define WEIR_COMMON_HTTP_HEADERS_H

#include "common/base/pool.h"
#include "common/base/slice.h"

/* clang-format off */
#define HEADER_NAMES(HEADER) \
    HEADER(HOST, "Host") \
    HEADER(CONNECTION, "Connection") \
    HEADER(CONTENT_LENGTH, "Content-Length") \
    HEADER(TRANSFER_ENCODING, "Transfer-Encoding") \
    HEADER(TE, "TE") \
    HEADER(TRAILER, "Trailer") \
    HEADER(UPGRADE, "Upgrade") \
    HEADER(EXPECT, "Expect") \
    HEADER(KEEP_ALIVE, "Keep-Alive") \
    HEADER(PROXY_CONNECTION, "Proxy-Connection") \
    HEADER(PROXY_AUTHENTICATE, "Proxy-Authenticate") \
    HEADER(PROXY_AUTHORIZATION, "Proxy-Authorization") \
    HEADER(X_FORWARDED_FOR, "X-Forwarded-For") \
    HEADER(X_FORWARDED_HOST, "X-Forwarded-Host") \
    HEADER(X_FORWARDED_PORT, "X-Forwarded-Port") \
    HEADER(X_FORWARDED_PROTO, "X-Forwarded-Proto") \
    HEADER(X_FORWARDED_SERVER, "X-Forwarded-Server") \
    HEADER(X_FORWARDED_URI, "X-Forwarded-Uri") \
    HEADER(X_FORWARDED_METHOD, "X-Forwarded-Method") \
    HEADER(X_FORWARDED_PREFIX, "X-Forwarded-Prefix") \
    HEADER(X_FORWARDED_TLS_CLIENT_CERT, "X-Forwarded-Tls-Client-Cert") \
    HEADER(X_FORWARDED_TLS_CLIENT_CERT_INFO, "X-Forwarded-Tls-Client-Cert-Info") \
    HEADER(X_REAL_IP, "X-Real-Ip") \
    HEADER(X_FORWARDED_SCHEME, "X-Forwarded-Scheme") \
    HEADER(X_SCHEME, "X-Scheme") \
    HEADER(FORWARDED, "Forwarded") \
    HEADER(DATE, "Date") \
    HEADER(SERVER, "Server") \
    HEADER(COOKIE, "Cookie") \
    HEADER(SET_COOKIE, "Set-Cookie") \
    HEADER(USER_AGENT, "User-Agent") \
    HEADER(ACCEPT, "Accept") \
    HEADER(ACCEPT_ENCODING, "Accept-Encoding") \
    HEADER(ACCEPT_LANGUAGE, "Accept-Language") \
    HEADER(CONTENT_TYPE, "Content-Type") \
    HEADER(CONTENT_ENCODING, "Content-Encoding") \
    HEADER(LOCATION, "Location") \
    HEADER(AUTHORIZATION, "Authorization") \
    HEADER(REFERER, "Referer") \
    HEADER(ORIGIN, "Origin") \
    HEADER(VARY, "Vary") \
    HEADER(ETAG, "Etag") \
    HEADER(CACHE_CONTROL, "Cache-Control")

enum header_id {
    HEADER_OTHER, /* not in the table */
#define HEADER(id, name) HEADER_##id,
    HEADER_NAMES(HEADER)
#undef HEADER
    HEADER_IDS
};
/* clang-format on */

#define HEADER_BIT(id) (UINT64_C(1) << (id))
_Static_assert(HEADER_IDS <= 64, "one bit for each known name");

enum header_flags {
    HEADER_REMOVED = 1 << 0,    /* not sent on */
    HEADER_RAW_LINE = 1 << 1,   /* name..CRLF lie in one piece in the read buffer: may be copied as it is */
    HEADER_HOP_BY_HOP = 1 << 2, /* by name, or named in Connection */
    HEADER_SUPPRESSED = 1 << 3, /* with REMOVED: weir must not add it on its own either */
    HEADER_SAFE = 1 << 4,       /* known not to end its line: written without another look */
};

struct header {
    struct slice name, value;
    uint8_t id;
    uint8_t flags;
    uint32_t line_len; /* with HEADER_RAW_LINE: bytes from name.ptr through CRLF */
};

struct headers {
    struct pool *pool; /* grows items; set by the owner */
    struct header *items;
    size_t count, capacity;
    uint64_t ids; /* HEADER_BIT of every name that was added, also if it was removed since */
};

void headers_init(struct headers *headers, struct pool *pool);
/* Adds those of `from` that are not removed, with copies of their texts in the pool of `to`. */
void headers_copy(struct headers *to, const struct headers *from);
/* Its texts move into its pool: where they were read may be used again. */
void headers_own(struct headers *headers);
/* The id of a name in any case (length and a perfect hash first, then one comparison). */
enum header_id header_id(struct slice name);
struct slice header_name(enum header_id id);
uint8_t header_flags_of(enum header_id id); /* HEADER_HOP_BY_HOP or 0 */
/* Appends (name and value are not copied). */
struct header *headers_add(struct headers *headers, struct slice name, struct slice value);
struct header *headers_add_id(struct headers *headers, enum header_id id, struct slice value);
/* Appends several of known names at once, with HEADER_SAFE: of weir's own, or read by a parser. */
struct known_field {
    enum header_id id;
    struct slice value;
};
void headers_add_known(struct headers *headers, const struct known_field *fields, size_t count);
/* As headers_add for a name that is known to be a token (parsers): saves the check. */
struct header *headers_add_token(struct headers *headers, struct slice name, struct slice value);
/* First that is not removed, or NULL. */
struct header *headers_get_present(const struct headers *headers, enum header_id id);
static inline struct header *headers_get(const struct headers *headers, enum header_id id)
{
    return headers->ids & HEADER_BIT(id) ? headers_get_present(headers, id)
                                         : NULL; /* mostly it is not there */
}
struct header *headers_find(const struct headers *headers, struct slice name); /* any name, any case */
/* Marks all but the first of that name as removed: what was looked at is what goes on. */
void headers_keep_first(struct headers *headers, enum header_id id);
/* Marks all of that name as removed; returns how many. */
unsigned headers_remove_id(struct headers *headers, enum header_id id);
unsigned headers_remove(struct headers *headers, struct slice name);
/* Removes all of that name and leaves a mark, so that weir does not add it on its own later. A later
 * headers_set of that name takes the mark back. */
void headers_suppress(struct headers *headers, struct slice name);
bool headers_suppressed(const struct headers *headers, enum header_id id);
/* Removes all of that name, then appends one. */
void headers_set(struct headers *headers, struct slice name, struct slice value);
void headers_set_id(struct headers *headers, enum header_id id, struct slice value);
/* headers_set of a name whose id is known already. */
struct header *headers_replace(struct headers *headers, enum header_id id, struct slice name,
                               struct slice value);
/* Removes what some servers take for the same variable (X_Auth for X-Auth), but names with ids: nobody but us says who is
 * who. */
void headers_remove_spellings(struct headers *headers, struct slice name);
/* Comparison that folds case and all signs, as some servers do when they make variables of names (X_A, X.A, X!A): for names
 * that we set or trust (I11). */
bool header_name_alias(struct slice a, struct slice b);
bool header_name_odd(struct slice name);                               /* it has a sign that is no '-' */
struct slice header_name_dashed(struct pool *pool, struct slice name); /* with '-' for all signs */
bool header_name_valid(struct slice name);                             /* token, not empty */
bool header_value_valid(struct slice value);                           /* no control bytes but tab */
/* True if the comma-separated list in value has the token, any case. */
bool header_list_has(struct slice value, struct slice token);
/* The next item of a comma-separated list, blanks trimmed, empty ones skipped; *rest starts as the value. */
bool header_list_next(struct slice *rest, struct slice *item);
/* "x-request-id" as Go writes it: "X-Request-Id". A copy only when it differs; for names of ours, not of
 * peers. */
struct slice header_name_canonical(struct pool *pool, struct slice name);

#endif
