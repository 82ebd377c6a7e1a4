/*
 * media_type.h - the type in a Content-Type field (RFC 9110, 8.3.1): "text/html; charset=utf-8" is text/html.
 */
#ifndef WEIR_COMMON_HTTP_MEDIA_TYPE_H
#define WEIR_COMMON_HTTP_MEDIA_TYPE_H

#include "common/base/slice.h"

/* The type without parameters, a part of `value`, in the case it was written in: compare with slice_eq_nocase(). Like Go's
 * mime.ParseMediaType a single token passes, too. False, with *why in its words when not NULL: the value is malformed; *type is
 * what stands in the place of the type all the same. */
bool media_type_parse(struct slice value, struct slice *type, const char **why);

#endif
