/*
 * listeners.c - which listening sockets there are: one for each entry point and worker slot, kept by the guard.
 *
 * A configuration is applied as a whole: all sockets that are new are bound before any of them listens (opening.c), then they go
 * to the guard, which keeps them; this process closes its copies. What no entry point wants any more the guard empties.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/net/addr.h"
#include "master/master/listeners_inner.h"

/* A worker that hangs holds on to sockets for as long as that lasts, then it is ended. */
#define OURS_AFTER_NS (INT64_C(30) * 1000000000)

static int plan_one(struct master *master, struct slice name, const struct entry_point *entry,
                    struct opening *opening, bool *udp, struct error *why)
{
    *opening = (struct opening){.name = name, .address = entry->address, .share = entry->reuse_port};
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        opening->fds[slot] = -1;
    }
    if (name.len >= CONTROL_TEXT) {
        return error_set(why, -EINVAL, "entry point \"%.*s\": the name is longer than %d bytes",
                         SLICE_ARG(name), CONTROL_TEXT - 1);
    }
    int rc = opening_read_address(entry, &opening->where, &opening->wildcard, udp, why);

    if (rc < 0) {
        error_prefix(why, "entry point \"%.*s\"", SLICE_ARG(name));
        return rc;
    }
    for (struct kept_sockets *kept = master->kept; kept; kept = kept->next) {
        if (!kept->leaving && slice_eq(name, slice_cstr(kept->name)) && opening_fits(opening, &kept->bound)) {
            opening->kept = kept;
            opening->where = kept->bound;
        }
        opening->ours = opening->ours || opening_port(&kept->bound) == opening_port(&opening->where);
    }
    return 0;
}

/* replaced: new sockets of that name are open already, on another address. */
static void send_unlisten(struct master *master, const char *name, bool replaced)
{
    struct control_message message = {.kind = CONTROL_UNLISTEN};

    (void)snprintf(message.text, sizeof(message.text), "%s", name);
    guard_send(master, &message, NULL, 0);
    if (replaced) {
        log_info("Entry point %s moves to another address", name);
    } else {
        log_info("Closing entry point %s", name);
    }
}

static bool is_opened(const struct opening *openings, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(openings[i].name, slice_cstr(name))) {
            return true;
        }
    }
    return false;
}

/* What no entry point wants is emptied and closed by the guard. */
static void drop_unwanted(struct master *master, const struct opening *openings, size_t count)
{
    for (struct kept_sockets *kept = master->kept; kept; kept = kept->next) {
        if (!kept->wanted && !kept->leaving) {
            kept->leaving = true;
            send_unlisten(master, kept->name, is_opened(openings, count, kept->name));
        }
    }
}

static struct kept_sockets *kept_new(struct master *master, const char *name,
                                     const struct sockaddr_storage *bound)
{
    struct kept_sockets *kept = xcalloc(1, sizeof(*kept));

    (void)snprintf(kept->name, sizeof(kept->name), "%s", name);
    kept->bound = *bound;
    kept->next = master->kept;
    master->kept = kept;
    return kept;
}

static void say_listening(const struct opening *opening)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE], name[CONTROL_TEXT], where[ADDRESS_TEXT_SIZE + 16];

    address_from_sockaddr((const struct sockaddr *)&opening->where, &address);
    size_t len = address_format(&address, text);

    (void)slice_to_cstr(opening->name, name, sizeof(name));
    (void)snprintf(where, sizeof(where), address.family == 6 ? "[%.*s]:%u" : "%.*s:%u", (int)len, text,
                   opening_port(&opening->where));
    log_at(LOG_LEVEL_INFO, LOG_FIELDS("entryPointName", name, "address", where), "Listening");
}

/* Hands the new sockets of one entry point to the guard, in runs of neighbouring slots. */
static void hand_over(struct master *master, struct opening *opening, unsigned workers)
{
    struct control_message message = {.kind = CONTROL_LISTEN};
    char name[CONTROL_TEXT];
    bool any = false;

    (void)slice_to_cstr(opening->name, name, sizeof(name));
    for (unsigned slot = 0; slot < workers;) {
        unsigned run = 0;

        while (slot + run < workers && run < CONTROL_FDS && opening->fds[slot + run] != -1) {
            run++;
        }
        if (run == 0) {
            slot++;
            continue;
        }
        if (opening->kept == NULL) {
            opening->kept = kept_new(master, name, &opening->where);
            opening->kept->wanted = true;
        }
        message = (struct control_message){
            .kind = CONTROL_LISTEN, .worker = slot, .flags = opening->share ? CONTROL_SHARED : 0};
        (void)snprintf(message.text, sizeof(message.text), "%s", name);
        guard_send(master, &message, &opening->fds[slot], run);
        for (unsigned i = slot; i < slot + run; i++) {
            opening->kept->slots[i] = true;
        }
        slot += run;
        any = true;
    }
    if (any) {
        say_listening(opening);
    }
}

static int open_all(struct master *master, const struct static_config *config, struct opening *openings,
                    size_t *count, struct error *why)
{
    const struct entry_point *entries = config->entry_points.values;
    int rc = 0;

    for (size_t i = 0; i < config->entry_points.count && rc == 0; i++) {
        bool udp = false;

        rc = plan_one(master, config->entry_points.keys[i], &entries[i], &openings[*count], &udp, why);
        if (rc == 0 && !udp) { /* datagrams.c has the others */
            rc = opening_bind(&openings[(*count)++], master->workers, why);
        }
    }
    for (size_t i = 0; i < *count && rc == 0; i++) {
        rc = opening_listen(&openings[i], master->workers, why);
    }
    return rc;
}

/* Those that nobody can hold any more. */
static void forget_left(struct master *master)
{
    int64_t since = process_clock_ns() - OURS_AFTER_NS;

    for (struct kept_sockets **link = &master->kept; *link;) {
        struct kept_sockets *kept = *link;

        if (kept->left_ns != 0 && kept->left_ns < since) {
            *link = kept->next;
            free(kept);
        } else {
            link = &kept->next;
        }
    }
}

int listeners_apply(struct master *master, const struct static_config *config, struct error *why)
{
    struct opening *openings = xcalloc(config->entry_points.count + 1, sizeof(*openings));
    size_t count = 0;

    forget_left(master);

    struct opened_datagrams *datagrams = NULL;
    int rc = open_all(master, config, openings, &count, why);

    if (rc == 0) {
        rc = datagrams_open(master, config, &datagrams, why);
    }
    datagrams_finish(master, datagrams, rc == 0);
    if (rc == 0) {
        for (struct kept_sockets *kept = master->kept; kept; kept = kept->next) {
            kept->wanted = false;
        }
        for (size_t i = 0; i < count; i++) {
            if (openings[i].kept) {
                openings[i].kept->wanted = true;
            }
        }
        drop_unwanted(master, openings, count);
        for (size_t i = 0; i < count; i++) {
            hand_over(master, &openings[i], master->workers);
        }
    }
    for (size_t i = 0; i < count + (rc < 0); i++) {
        for (unsigned slot = 0; slot < BOARD_WORKERS && openings[i].name.ptr; slot++) {
            if (openings[i].fds[slot] != -1) {
                close(openings[i].fds[slot]);
            }
        }
    }
    free(openings);
    return rc;
}

void listeners_returned(struct master *master, unsigned slot, const char *name, bool leaving, int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);

    if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0 && slot < BOARD_WORKERS) {
        struct kept_sockets *kept = master->kept;

        while (kept && (strcmp(kept->name, name) != 0 || kept->leaving != leaving ||
                        memcmp(&kept->bound, &bound, sizeof(bound)) != 0)) {
            kept = kept->next;
        }
        if (kept == NULL) {
            kept = kept_new(master, name, &bound);
            kept->leaving = leaving;
        }
        kept->slots[slot] = true;
    }
    close(fd);
}

void listeners_slot_closed(struct master *master, unsigned slot)
{
    struct error why;

    for (struct kept_sockets *kept = master->kept; kept; kept = kept->next) {
        kept->slots[slot] = false;
    }
    if (master->started && slot < master->workers &&
        listeners_apply(master, &master->settings->loaded.config, &why) < 0) {
        log_error("The sockets of worker %u cannot be opened again: %s", slot, why.text);
    }
}

/* Of several of that name the oldest, which is the last in the list. */
void listeners_left(struct master *master, const char *name)
{
    struct kept_sockets **oldest = NULL;

    for (struct kept_sockets **link = &master->kept; *link; link = &(*link)->next) {
        if ((*link)->leaving && (*link)->left_ns == 0 && strcmp((*link)->name, name) == 0) {
            oldest = link;
        }
    }
    if (oldest) {
        (*oldest)->left_ns = process_clock_ns();
    }
}

void listeners_left_before(struct master *master, const char *name, const struct sockaddr_storage *bound)
{
    struct kept_sockets *kept = kept_new(master, name, bound);

    kept->leaving = true;
    kept->left_ns = process_clock_ns();
}

void listeners_free(struct master *master)
{
    while (master->kept) {
        struct kept_sockets *kept = master->kept;

        master->kept = kept->next;
        free(kept);
    }
}
