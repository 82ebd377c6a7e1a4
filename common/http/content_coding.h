/*
 * content_coding.h - the encodings of bodies that weir makes, and which of them a client wants (RFC 9110, 12.5.3).
 */
#ifndef WEIR_COMMON_HTTP_CONTENT_CODING_H
#define WEIR_COMMON_HTTP_CONTENT_CODING_H

#include "common/http/headers.h"

enum content_coding { CODING_IDENTITY, CODING_GZIP, CODING_BROTLI, CODING_ZSTD, CODINGS };

/* "gzip", "br", "zstd"; "identity". */
struct slice coding_name(enum content_coding coding);
/* Of an encoding but identity; CODING_IDENTITY: there is none of that name. */
enum content_coding coding_find(struct slice name);

/* What the Accept-Encoding fields ask for. offered: one byte (enum content_coding) for each encoding on offer, in order of
 * preference, at least one. The highest weight wins, of equal ones "*" (which means `any`), then the preferred; `unasked` is
 * for those who send no such field. CODING_IDENTITY: as it is. */
enum content_coding coding_choose(const struct headers *headers, struct slice offered,
                                  enum content_coding any, enum content_coding unasked);

#endif
