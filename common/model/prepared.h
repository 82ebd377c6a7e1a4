/*
 * prepared.h - what the master makes of the options of some middlewares, so that workers parse nothing on the request path.
 *
 * A kind whose options are ready for use as they are (a prefix, a regular expression) has nothing here: workers get its
 * options. Another kind has a struct here, a row in prepared.c by which it is packed, and a function in
 * master/resolve/prepare*.c that fills it in or says what is wrong with the options.
 *
 * Sets of addresses are text as ranges_make() writes it; arrays of other types without alignment or pointers may be stored
 * as text too.
 */
#ifndef WEIR_COMMON_MODEL_PREPARED_H
#define WEIR_COMMON_MODEL_PREPARED_H

#include "common/model/middlewares.h"

/* Whose address counts (ipStrategy): that at `depth` of X-Forwarded-For; else, where `excluded` is not empty, the last one
 * there that is not among those; else that of the peer. */
struct prepared_client {
    int64_t depth;
    struct slice excluded; /* ranges */
    int64_t ipv6_bits;     /* so many leading bits count; 0: all of them */
};

/* What makes a source (sourceCriterion). */
enum source_kind { SOURCE_ADDRESS, SOURCE_HEADER, SOURCE_HOST };

struct prepared_source {
    int64_t kind; /* enum source_kind */
    struct prepared_client client;
    struct slice header;
};

struct prepared_redis {    /* who counts in place of the board; it is service 0 that the middleware asks */
    uint64_t identity;     /* of all that a connection to it is made with, but for the server */
    struct slice prefix;   /* of keys */
    struct list arguments; /* struct slice: of the script */
    struct slice username, password;
    int64_t db;
    int64_t most, least;                               /* connections of all workers; most 0: as it likes */
    int64_t dial_timeout, read_timeout, write_timeout; /* ns; 0: none */
    int64_t nodes; /* of a cluster: so many services are asked; 0: there is only one server */
    struct slice
        slots; /* which of them has what: struct redis_range (common/net/redis_cluster.h); empty: not known */
};

struct prepared_rate_limit { /* struct rate of shm/rate.h */
    int64_t interval, tolerance, max_delay_ns, shift;
    struct prepared_source source;
    struct prepared_redis *redis; /* NULL: the board counts */
};

struct prepared_in_flight_req {
    int64_t amount;
    struct slice body; /* of the answer beyond it */
    struct prepared_source source;
};

struct prepared_ip_list { /* ipAllowList, ipWhiteList */
    struct slice allowed; /* ranges */
    struct prepared_client client;
    int64_t reject_status;
};

enum field_change {
    FIELD_LEAVE, /* other spellings of the name go, nothing else: it frames the message, or is no header */
    FIELD_SET,
    FIELD_REMOVE,
    FIELD_SUPPRESS, /* removed, and not added by weir itself either */
    FIELD_HOST,     /* the Host that the server gets */
};

struct prepared_field {       /* one that the headers middleware changes */
    struct slice name, value; /* as they are sent: checked, the name as Go writes it where it is set */
    int64_t id;               /* enum header_id */
    int64_t change;           /* enum field_change */
};

struct prepared_headers {                        /* headers: values as they are sent; empty ones are not */
    struct list custom_request, custom_response; /* struct prepared_field */
    /* CORS */
    bool cors, credentials, add_vary;
    bool echo_headers, echo_methods; /* what the preflight asks for is allowed */
    struct slice allow_headers, allow_methods, expose_headers, max_age;
    struct list origins;        /* struct slice */
    struct list origin_regexes; /* struct regex_text */
    /* security */
    struct string_map secure;                       /* on every answer */
    struct string_map secure_tls;                   /* on answers to requests over TLS */
    struct list allowed_hosts, hosts_proxy_headers; /* struct slice */
    struct string_map ssl_proxy_headers;            /* any of these says that the client used TLS */
};

struct status_range {       /* from..to, both included; as text of such ones: status_ranges_hold() */
    uint8_t from[2], to[2]; /* high byte first */
};

struct status_rewrite {
    struct status_range from;
    uint8_t to[2];
};

struct prepared_errors {
    struct slice statuses; /* struct status_range */
    struct slice rewrites; /* struct status_rewrite */
    struct slice query;
    bool all_headers;
    struct list headers; /* struct slice: names of those that the page's server gets */
};

struct prepared_compress {
    struct slice encodings;         /* enum content_coding, one byte each: in order of preference */
    int64_t any, unasked;           /* enum content_coding: for "*", for those who say nothing */
    int64_t least;                  /* shorter bodies are left as they are */
    struct list included, excluded; /* struct slice: media types without parameters */
};

struct prepared_buffering {
    int64_t request_most, response_most;     /* bytes of bodies; 0: no bound */
    int64_t request_memory, response_memory; /* of these in memory */
    struct slice again;                      /* compiled: common/rule/retry_expression.h; empty: never */
};

struct prepared_retry {
    int64_t attempts, timeout, initial_pause; /* ns */
    int64_t growth;                           /* of the pause, in millionths */
    int64_t body_most;                        /* bytes of a body that is kept */
    struct slice statuses;                    /* struct status_range */
    bool by_network, every_method;
};

struct prepared_circuit_breaker { /* common/rule/breaker_expression.h */
    struct slice code, ranges;
    bool latency;
    int64_t check, fallback, recovery; /* ns */
    int64_t status;
};

struct prepared_plugin {
    int64_t module;       /* enum plugin_module */
    struct slice program; /* what the module made of its options */
};

static inline bool status_range_holds(const struct status_range *range, unsigned status)
{
    return status >= ((unsigned)range->from[0] << 8 | range->from[1]) &&
           status <= ((unsigned)range->to[0] << 8 | range->to[1]);
}

/* Of a text of struct status_range. */
static inline bool status_ranges_hold(struct slice ranges, unsigned status)
{
    for (size_t i = 0; i + sizeof(struct status_range) <= ranges.len; i += sizeof(struct status_range)) {
        if (status_range_holds((const struct status_range *)(const void *)(ranges.ptr + i), status)) {
            return true;
        }
    }
    return false;
}

/* "404" or "500-599". */
bool status_range_read(struct slice text, struct status_range *out);
/* Several of them, as a text of struct status_range in the pool. False: *bad is the first one that is none. */
bool status_ranges_make(struct pool *pool, const struct list *texts, struct slice *out, struct slice *bad);

struct prepared_basic_auth {
    struct string_map users; /* names to hashes that password_hash_check() took */
    struct slice seed;       /* bytes that nobody outside knows, the same in all workers */
    struct slice challenge;  /* value of WWW-Authenticate */
    struct slice header_field;
    bool remove_header;
};

struct prepared_digest_auth {
    struct string_map users; /* name:realm to DIGEST_HASH_LEN digits */
    struct slice realm;
    struct slice challenge; /* value of WWW-Authenticate up to the nonce */
    struct slice header_field;
    bool remove_header;
};

struct prepared_pass_tls_client_cert {
    bool pem, info;
    int64_t wanted; /* bits of common/tls/peer_info.h */
};

struct prepared_api_key {
    struct slice header, scheme, query, cookie; /* empty: not there */
    bool plain;
    struct list hashes; /* struct slice: password_hash_check() took them */
};

struct prepared_jwt {
    struct string_map keys; /* kid to jwk_pack() */
    struct slice claims;    /* compiled: common/rule/claims_expression.h; empty: any */
    struct slice token_key;
    struct slice user;                 /* claims_path_compile() of the user's name; empty: none */
    struct string_map forward_headers; /* name to claims_path_compile() */
    struct list issuers, audiences;    /* struct slice; empty: any */
    int64_t leeway;                    /* ns */
    bool forward_authorization;
    bool fetched; /* the keys come from a URL: none may be there yet, and word 0 says that one is missed */
};

enum auth_trust { AUTH_TRUST_UNSET, AUTH_TRUST_NONE, AUTH_TRUST_ALL };

struct prepared_forward_auth {
    struct slice authority, path, query; /* of the address; the service is asked service 0 */
    bool has_query, tls;                 /* tls: it is one of https */
    int64_t trust;                       /* enum auth_trust: what of X-Forwarded-* it gets */
    struct list request_headers;         /* struct slice: names; empty: all */
    struct list response_headers;        /* struct slice: names */
    struct list response_regexes;        /* struct regex_text: of names; at most one */
    struct list cookies;                 /* struct slice: names */
    bool forward_body;
    int64_t body_most;   /* bytes; -1: no bound */
    int64_t answer_most; /* the same of the answer's body */
    bool keep_location, keep_method;
    struct slice signin; /* empty: none */
};

/* NULL: workers get its options. */
const struct schema *middleware_prepared_schema(enum middleware_kind kind);
/* By which a kind is packed: of its prepared struct or of its options. */
const struct schema *middleware_stored_schema(enum middleware_kind kind);

#endif
