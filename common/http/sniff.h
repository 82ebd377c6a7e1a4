/*
 * sniff.h - the media type of a body by its first bytes (https://mimesniff.spec.whatwg.org), with the types that Go's
 * http.DetectContentType tells apart, so that contentType gives the names that Traefik gives.
 */
#ifndef WEIR_COMMON_HTTP_SNIFF_H
#define WEIR_COMMON_HTTP_SNIFF_H

#include "common/base/slice.h"

#define SNIFF_BYTES ((size_t)512) /* no more is looked at */

/* Never empty: text/plain; charset=utf-8 for what looks like text, application/octet-stream for the rest. A literal. */
struct slice sniff_type(struct slice data);

#endif
