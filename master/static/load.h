/*
 * load.h - finds and decodes the static configuration: file, or flags, or environment (the first found wins, as in
 * Traefik).
 */
#ifndef WEIR_MASTER_STATIC_LOAD_H
#define WEIR_MASTER_STATIC_LOAD_H

#include "common/model/static.h"

enum static_form { STATIC_NONE, STATIC_FILE, STATIC_FLAGS, STATIC_ENVIRONMENT };

struct static_loaded {
    struct pool *pool; /* everything lives here; pool_free() frees all */
    struct static_config config;
    enum static_form form;
    struct slice file;    /* with STATIC_FILE */
    uint64_t file_hash;   /* hash_slice() of what was read there, seed 0 */
    struct slice text;    /* what was read there, whole */
    struct list warnings; /* struct slice: ignored settings, deprecated ones, not yet served ones */
    size_t
        choice_warnings; /* of these the first ones: which form is the configuration, and what is not read for that */
    struct list errors; /* struct slice: all of them, when static_load() failed */
};

/* argv without the program's name. Errors: one line that names file, line, key (or flag, or variable). Adds the entry
 * points that Traefik adds by itself ("http" on :80 when none is given, "traefik" on :8080 when ping, api or metrics
 * need it). After a failure *out holds errors and warnings: static_unload() it as well. */
int static_load(int argc, char **argv, char **environment, struct static_loaded *out, struct error *why);
/* The same, when form, file and text of an earlier load count: nothing is looked for. */
int static_load_as(int argc, char **argv, char **environment, const struct static_loaded *earlier,
                   struct static_loaded *out, struct error *why);
void static_unload(struct static_loaded *loaded); /* harmless when it was never loaded */

/* The address of an entry point: "127.0.0.1:80/tcp", ":53/udp", "[::1]:80". address->family 0 means all addresses of the
 * machine. */
struct address;
int entry_point_address(const struct entry_point *entry_point, struct address *address, bool *udp,
                        struct error *why);

#endif
