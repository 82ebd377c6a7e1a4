/*
 * file_objects.h - what a file of the file provider holds becomes objects of a model.
 *
 * As in Traefik: the first of equal names (in the order of file names) is used; keys are matched in any letter case. Other
 * than there, an error stays with its object.
 */
#ifndef WEIR_MASTER_PROVIDER_FILE_OBJECTS_H
#define WEIR_MASTER_PROVIDER_FILE_OBJECTS_H

#include "common/model/dynamic.h"
#include "master/provider/seen.h"

#define FILE_HTTP_KINDS 4

struct file_objects { /* while the files are read, one after the other */
    struct model *model;
    struct pool *scratch;
    struct slice path;                                       /* of the file being read; in the model's pool */
    struct seen http[FILE_HTTP_KINDS], layer4[LAYER4_KINDS]; /* struct element by name */
};

/* Makes the model; scratch is set by the caller and outlives the reading. */
void file_objects_begin(struct file_objects *objects);
/* root is a map: http, tcp, udp, tls. What is wrong stays on its object or becomes a notice. */
void file_objects_read(struct file_objects *objects, const struct doc *root);
/* A notice of the model, at a line of the file being read. */
void file_note(struct file_objects *objects, bool is_error, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
