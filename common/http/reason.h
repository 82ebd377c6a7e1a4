/*
 * reason.h - the closed list of reasons for every answer that weir makes itself (I13).
 *
 * Shown in the access log, in metrics, by explain and in docs/. The names are an interface.
 */
#ifndef WEIR_COMMON_HTTP_REASON_H
#define WEIR_COMMON_HTTP_REASON_H

#include <stdbool.h>

#define REASONS(REASON)                                                                                      \
    REASON(none, "answered by the upstream")                                                                 \
    REASON(no_route, "no router matched")                                                                    \
    REASON(no_server, "the service has no server that may be used")                                          \
    REASON(connect_refused, "no server accepted the connection")                                             \
    REASON(connect_timeout, "no server accepted the connection in time")                                     \
    REASON(upstream_tls, "TLS with the server failed, or its certificate is not believed")                   \
    REASON(reset_before_headers, "the server closed the connection before it answered")                      \
    REASON(response_timeout, "the server did not answer in time")                                            \
    REASON(bad_response, "the server's answer was malformed")                                                \
    REASON(body_cut, "the connection to the server ended within the body")                                   \
    REASON(bad_request, "the request was malformed")                                                         \
    REASON(request_timeout, "the request did not arrive in time")                                            \
    REASON(head_too_large, "the request head is over the bound")                                             \
    REASON(uri_too_long, "the request target is over the bound")                                             \
    REASON(body_too_large, "the body is over the bound")                                                     \
    REASON(encoded_character, "the path has an encoded character that is not allowed")                       \
    REASON(underscore_header, "a header name has an underscore")                                             \
    REASON(host_denied, "the host that was asked for is not one of those allowed")                           \
    REASON(misdirected, "the connection's TLS options are not those that the router needs")                  \
    REASON(plain_to_tls, "an HTTP request came where only HTTPS is served")                                  \
    REASON(tls_handshake, "the TLS handshake failed")                                                        \
    REASON(proxy_header, "the PROXY header was malformed or did not arrive in time")                         \
    REASON(redirect, "a middleware redirected")                                                              \
    REASON(ip_denied, "the client's address is in none of the ranges that may pass")                         \
    REASON(rate_limit, "the source sent more than it may in that time")                                      \
    REASON(rate_store, "the Redis that counts requests gave no answer that counts")                          \
    REASON(unauthenticated, "a middleware asked for a user, a key or a token that is right")                 \
    REASON(in_flight, "as many requests of the source are under way as may be")                              \
    REASON(regex_limit, "a regular expression took too long to say whether it matches")                      \
    REASON(circuit_open, "what is asked failed too often and is not asked for some time")                    \
    REASON(auth_denied, "the server that is asked who may pass said no")                                     \
    REASON(auth_failed, "the server that is asked who may pass gave no answer that counts")                  \
    REASON(middleware, "a middleware answered")                                                              \
    REASON(internal, "an internal service answered")                                                         \
    REASON(client_gone, "the client went away")                                                              \
    REASON(limit, "a limit was reached")                                                                     \
    REASON(spool_full, "the file that holds long bodies had no room, or failed")                             \
    REASON(stopping, "weir is shutting down")                                                                \
    REASON(unsupported, "the protocol or method is not supported")                                           \
    REASON(internal_error, "weir failed")

enum reason {
#define REASON(name, text) REASON_##name,
    REASONS(REASON)
#undef REASON
        REASON_KINDS
};

const char *reason_name(enum reason reason);
const char *reason_text(enum reason reason);

/* Such an answer says nothing about what was asked: the request never came whole, or weir itself is short of something. It is
 * neither asked again for, nor held against a server. What a middleware decides is no such answer, as with Traefik. */
bool reason_is_final(enum reason reason);

#endif
