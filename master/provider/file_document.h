/*
 * file_document.h - what the files of the file provider share: a load under way, its notices, reading a document.
 */
#ifndef WEIR_MASTER_PROVIDER_FILE_DOCUMENT_H
#define WEIR_MASTER_PROVIDER_FILE_DOCUMENT_H

#include "common/model/dynamic.h"
#include "master/provider/seen.h"

#define FILE_PROVIDER SLICE("file")

struct file_reading {                                       /* one load */
    struct model *model;                                    /* what it makes */
    struct pool *scratch;                                   /* dies with the load */
    struct slice path;                                      /* of the file being read */
    struct seen routers, services, middlewares, transports; /* struct element by name, over all files */
};

/* A new model and no names; scratch is set. */
void file_reading_init(struct file_reading *reading);
/* A notice with the place in the file being read. */
void file_note(struct file_reading *reading, bool is_error, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* root is a mapping: http, tcp, udp, tls. Names that an earlier file has are passed over. */
void file_document_read(struct file_reading *reading, const struct doc *root);

#endif
