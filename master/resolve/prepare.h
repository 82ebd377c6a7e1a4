/*
 * prepare.h - between the files that make middlewares ready for workers (common/model/prepared.h).
 */
#ifndef WEIR_MASTER_RESOLVE_PREPARE_H
#define WEIR_MASTER_RESOLVE_PREPARE_H

#include "common/model/prepared.h"
#include "common/tls/tls.h"
#include "master/resolve/resolver.h"

struct preparation {
    struct resolver *resolver;
    struct http_middleware *middleware;
    struct pool *pool;  /* the model's */
    struct slice wrong; /* set by prepare_wrong() */
};

/* Says what is wrong; Traefik's words where it has some. Returns NULL, to be returned. */
void *prepare_wrong(struct preparation *at, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The middleware asks that service: its number is at index 0, 1... of the middleware's row, in the order of these calls.
 * That it exists is checked where a router uses the middleware. */
void prepare_service(struct preparation *at, struct slice name);
/* The same for a server that only this middleware knows (http://host:port, https://host:port): makes a service that nobody
 * else can name and nobody is shown. Over https it is spoken to as `tls` says (NULL: as where nothing is set), never as
 * services of the user are. */
void prepare_server(struct preparation *at, struct slice url, const struct client_tls *tls);
/* The same for several (struct slice), which are asked one by one: each is a service of its own. */
void prepare_servers(struct preparation *at, const struct list *urls, const struct client_tls *tls);
/* prepare_asked.c: TLS of what the master itself asks. option: in front of what is wrong with it. False: at->wrong says so. */
bool prepare_client_tls(struct preparation *at, const char *option, const struct client_tls *from,
                        struct tls_client_options *out);
/* What tells one way of asking `url` from others, as a key of master/tls/learned.h: the URL, a line end and a hash. tls may be
 * NULL. */
struct slice prepare_way_key(struct preparation *at, struct slice url, const struct client_tls *tls,
                             struct slice username, struct slice password);
/* So many words on the board belong to the middleware, zero at first; of each router that uses it some of its own when
 * by_router. */
void prepare_words(struct preparation *at, uint32_t count, bool by_router);

/* A table on the board belongs to the middleware (shm/tables.h). layout, not 0: another one when what stands in the table means
 * something else than before. */
void prepare_table(struct preparation *at, uint64_t layout, bool by_router);

/* Parts: false: at->wrong says why. */
bool prepare_ranges(struct preparation *at, const struct list *texts, struct slice *out);
/* "404" or "500-599". */
bool prepare_status(struct preparation *at, struct slice text, struct status_range *out);
/* Several of them, as a text of struct status_range. */
bool prepare_statuses(struct preparation *at, const struct list *texts, struct slice *out);
bool prepare_source(struct preparation *at, const struct source_criterion *criterion,
                    enum source_kind otherwise, struct prepared_source *out);
bool prepare_client(struct preparation *at, const struct ip_strategy *strategy, struct prepared_client *out);

/* A header of the options that is set: its name. */
bool prepare_header_name(struct preparation *at, const char *option, struct slice name);

/* Users of the file, then those of the list; of a name that is there twice the last one counts. `parse` makes a pair of a
 * line, or says what is wrong (never a secret). False: at->wrong says why. A file that was good once and is not now leaves
 * the users that it had, with a warning on the middleware. */
typedef int user_parse(struct pool *pool, struct slice line, struct string_pair *out, struct error *why);
bool prepare_users(struct preparation *at, const struct list *inline_users, struct slice file,
                   user_parse *parse, struct string_map *out);

/* A list of struct prepared_field: headers of requests, or of responses. */
struct list prepare_fields(struct pool *pool, const struct string_map *map, bool request);

/* One of each prepared kind: options in, the prepared struct out, in the pool. */
const void *prepare_set_headers(struct preparation *at, const struct set_headers *options);
const void *prepare_ip_white_list(struct preparation *at, const struct ip_white_list *options);
const void *prepare_ip_allow_list(struct preparation *at, const struct ip_allow_list *options);
const void *prepare_basic_auth(struct preparation *at, const struct basic_auth *options);
const void *prepare_digest_auth(struct preparation *at, const struct digest_auth *options);
const void *prepare_pass_tls_client_cert(struct preparation *at, const struct pass_tls_client_cert *options);
const void *prepare_api_key(struct preparation *at, const struct api_key *options);
const void *prepare_jwt(struct preparation *at, const struct jwt *options);
const void *prepare_forward_auth(struct preparation *at, const struct forward_auth *options);
const void *prepare_errors(struct preparation *at, const struct errors *options);
const void *prepare_in_flight_req(struct preparation *at, const struct in_flight_req *options);
const void *prepare_rate_limit(struct preparation *at, const struct rate_limit *options);
/* redis: of rateLimit. False: at->wrong says why. */
bool prepare_redis(struct preparation *at, const struct rate_limit *options,
                   struct prepared_rate_limit *made);
const void *prepare_compress(struct preparation *at, const struct compress *options);
const void *prepare_buffering(struct preparation *at, const struct buffering *options);
const void *prepare_retry(struct preparation *at, const struct retry *options);
const void *prepare_plugin(struct preparation *at, const struct doc *options);
const void *prepare_circuit_breaker(struct preparation *at, const struct circuit_breaker *options);

#endif
