/*
 * api.h - requests to one API server: credentials as they are now, one client, and what is said when it goes and comes.
 *
 * On one loop. Not here: what is asked (reflector.c).
 */
#ifndef WEIR_MASTER_KUBE_API_H
#define WEIR_MASTER_KUBE_API_H

#include "common/http/client.h"
#include "master/kube/access.h"

struct kube_api;

/* Takes the access over, also on failure. */
int kube_api_new(struct uv_loop_s *loop, struct kube_access *access, struct kube_api **out,
                 struct error *why);
void kube_api_close(struct kube_api *api); /* calls must be cancelled before; NULL is fine */

/* GET of a path with query, "/api/v1/...": token read now, connection of the client. read_ms as in client.h. Fails when
 * credentials cannot be read; then no call is made. */
int kube_api_get(struct kube_api *api, struct slice target, unsigned read_ms,
                 const struct http_handlers *handlers, void *context, struct http_call **out,
                 struct error *why);

struct kube_request {
    struct slice method, target; /* "PATCH", "/apis/...": path with query */
    struct slice content_type;   /* empty: no body */
    struct slice body;
    unsigned read_ms;
};
/* Any other request, in the same way. */
int kube_api_send(struct kube_api *api, const struct kube_request *request,
                  const struct http_handlers *handlers, void *context, struct http_call **out,
                  struct error *why);

/* The words of an answer other than 2xx: the message of a Status object, or the text as it is, in one line. */
void kube_problem_words(struct slice body, char *out, size_t size);

/* How it went: the first failure in a row is said, and so is the end of it. A failure of TLS or credentials makes the next
 * call read certificates and keys again. */
void kube_api_failed(struct kube_api *api, const struct error *why);
/* The same where it answers and takes the credentials for nobody's: said also of one that was away. */
void kube_api_refused(struct kube_api *api, const struct error *why);
void kube_api_worked(struct kube_api *api);
/* The words of the last failure since it worked; from any thread. */
void kube_api_last(struct kube_api *api, struct error *out);

#endif
