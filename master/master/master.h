/*
 * master.h - the inside of the master: reads configuration, opens sockets, publishes generations.
 *
 * main.c       start, loop, timers, stop
 * guard_link.c messages from and to the guard
 * listeners.c  which listening sockets there are, and which of them changed; opening.c: they are opened
 * cgroups.c    the control groups that hold us (cgroups.h)
 * memory.c     how much memory (memory.h)
 * spool.c      files for the bodies that are too long for memory
 * cpus.c       how many workers
 * inputs.c     the providers: which are enabled, what of theirs is watched and tried again
 * reload.c     from a change to a generation: when there is a job, and what becomes of what it found
 * job.c        the job on a thread that loads, resolves, compiles and seals
 * refresh.c    the job's short way, when nothing but servers and a few objects changed
 * pace.c       how long to wait between jobs for a cluster (pace.h)
 * hold.c       when the first generation is held back
 * waiting.c    what is served until then (waiting.h)
 * publish.c    the generation in force; worker_link.c: how far each worker has it
 * keys.c       rotating keys of session tickets, looking at files of certificates
 * asking.c     questions to other servers: stapling.c OCSP responders, key_fetch.c URLs of sets of keys; cluster_fetch.c
 *              Redis Clusters, cluster_ask.c one of these questions
 * changes.c    what a new model changed, in words; errors of objects, said once
 * log_file.c   log.filePath
 * static_watch.c  a static configuration that lies in a volume of Kubernetes
 * life.c       what is said of all this on the board
 *
 * Everything runs on one loop; the job touches only what struct job and struct input say is its own.
 */
#ifndef WEIR_MASTER_MASTER_MASTER_H
#define WEIR_MASTER_MASTER_MASTER_H

#include <uv.h>

#include "master/compile/target_places.h"
#include "master/guard/outbox.h"
#include "master/master/hold.h"
#include "master/master/memory.h"
#include "master/master/pace.h"
#include "master/provider/provider.h"
#include "master/static/load.h"
#include "shm/board.h"
#include "shm/page.h"

#define MASTER_WATCHES 64
#define MEMORY_FILES 2

struct master;
struct watch;
struct names;
struct compiler;
struct vault;
struct keys;
struct asking;
struct cluster_fetch;
struct job;
struct health;
struct resolve_patched;
struct known; /* changes.c: what was in force, to tell what changed */

/* ---- a sealed page, shared by the generations that use it; counted on the loop only ---- */
struct page_file {
    int fd;
    struct target_hold *hold; /* of a services page or the UDP page: the addresses that it names; else NULL */
    uint64_t number, hash;
    unsigned references;
};

/* ---- a static configuration, shared by what was made from it; counted on the loop only ---- */
struct settings {
    struct static_loaded loaded;
    unsigned references;
};

struct page_files { /* the pages of a generation, by place; one reference each */
    size_t count;
    struct page_file *items[PAGE_PLACES];
};

struct publication { /* one generation as it is sent to workers */
    uint64_t number; /* 0: none */
    bool waiting;    /* /ping and /ready alone: it counts as none (waiting.h) */
    struct page_files pages;
    unsigned kills; /* workers that died while they adopted it */
    char *changes;  /* what was new in it, in words */
    uint64_t words; /* since this generation its words on the board are marked as used */
};

struct worker_link {
    struct master *master;
    unsigned slot;
    struct outbox out;
    uv_poll_t *poll;       /* NULL: no channel */
    uint64_t acknowledged; /* generation, 0: none */
    uint64_t sent;         /* generation it has not answered yet, 0: none */
    uint64_t refused;      /* generation it would not take */
    uint64_t *has;    /* numbers of the pages of `acknowledged`, by place; NULL: it is sent all of them */
    uint64_t *coming; /* those of `sent` */
    size_t has_count, coming_count;
    int64_t retry_ns;      /* when it is offered all the same; 0: not */
    int64_t retry_wait_ns; /* how long it waited last time; 0: nothing was refused since it took one */
    unsigned resends;      /* in a row, so that two confused sides do not circle for ever */
    unsigned strange;      /* messages since the last one that was waited for */
    bool spooled;          /* it has got a file */
    int64_t lost_ns;       /* when its channel broke, and the guard was asked for another one; 0: not */
};

struct input { /* one provider */
    struct master *master;
    const struct provider *provider;
    bool enabled, dirty; /* the loop's: what the next job takes along */
    bool whole;          /* the loop's: it has to be loaded, refreshed will not do */
    /* the job's while there is one, the loop's else */
    struct provider_state *state;
    struct model *model; /* last good one */
    bool loaded;         /* at least once */
    int64_t loaded_ns;   /* the last time */
    int64_t stale_s;     /* it gave what was kept of its cluster at that time (since 1970); 0: it did not */
    bool failed;         /* last time */
    bool waiting;        /* what it asks of a cluster has not arrived */
    bool gaps;           /* the loop's: of the first model, files of it could not be read */
    struct error error;  /* of the last load: the same is not said again */
};

struct kept_sockets;   /* listeners.c: what the guard keeps for us */
struct kept_datagrams; /* datagrams.c: the same of UDP */
struct opened_datagrams;

struct master {
    uv_loop_t loop;
    uv_work_t first_work; /* threads.c */
    int argument_count;
    char **arguments;
    int status;
    bool started, stopping;

    struct outbox guard;
    uv_poll_t guard_poll;
    uv_timer_t heart;
    uv_timer_t retry;      /* loads again what could not be read, compiles again what could not be compiled */
    unsigned retries;      /* in a row, of what may pass by itself */
    bool uncompiled;       /* what was found last is not in force: a page could not be made */
    char *owed;            /* and what was new in it; malloc'd */
    uint64_t start_number; /* the guard's count of masters */
    uint64_t page_count;   /* pages sealed by this master */

    struct board *board;
    struct board_tree *tree;
    struct target_places *targets;
    int64_t targets_swept_ns;

    struct settings *settings;  /* in force */
    int settings_fd;            /* where they are kept for the next master; -1: nowhere */
    uint64_t settings_hash;     /* of what is kept there */
    struct watch *static_watch; /* of its file; NULL: none */
    uint64_t static_seen;       /* hash of the content that was tried last */
    unsigned workers;
    struct memory_limit memory; /* of the control groups */
    uint64_t memory_own;        /* limits.memory */
    bool memory_said;
    int memory_fds[MEMORY_FILES]; /* usage and its parts, for workers; -1: none */
    int statm;
    char *spool_dir;     /* malloc'd; NULL: there is none */
    char *spool_said;    /* what the log said of it last; malloc'd */
    uint64_t spool_most; /* limits.spool */
    struct kept_sockets *kept;
    struct kept_datagrams *datagrams;

    struct input inputs[PROVIDER_COUNT];
    size_t input_count;
    struct names *names;             /* of servers, resolved */
    struct compiler *compiler;       /* of `model` */
    bool in_step;                    /* `model` is what is published */
    bool whole;                      /* the next job resolves and compiles, whatever is dirty */
    bool files;                      /* files that middlewares name may be others */
    bool secrets;                    /* OCSP answers or keys of session tickets are others */
    unsigned refreshes;              /* jobs that took the short way since the last that did not */
    struct vault *vault;             /* certificates and keys */
    struct keys *keys;               /* keys.c */
    struct asking *stapling;         /* stapling.c */
    struct asking *key_fetch;        /* key_fetch.c */
    struct cluster_fetch *clusters;  /* cluster_fetch.c */
    struct health *health;           /* asks servers; NULL: the master stops */
    struct model *model;             /* resolved, in force */
    struct settings *model_settings; /* what `model` was made with: it may share text */
    struct known *known;
    struct watch *watches[MASTER_WATCHES];
    struct input *watched[MASTER_WATCHES]; /* by them */
    size_t watch_count;
    bool
        watch_missing; /* a path could not be watched: tried again, and what it is for is read again meanwhile */
    bool watch_said;
    struct job *job; /* NULL: none in flight */
    bool wanted;     /* another one is to follow */
    struct hold hold;
    uv_async_t cluster; /* from sources' threads: a cluster has changed */
    uv_timer_t pause;
    struct pace pace;           /* of jobs for a cluster */
    atomic_uint cluster_events; /* from sources' threads: changes since the last job began */
    bool cluster_wanted;        /* a job for it is to follow the one in flight */

    struct publication current, previous;
    uint64_t withdrawn; /* hash of the pages of a generation that killed workers */
    bool has_withdrawn;
    uint64_t last_number; /* of the generations of this master; 0: none yet */
    bool swept;           /* no word on the board is left from before `swept_words` */
    uint64_t swept_words; /* publication.words */
    struct worker_link links[BOARD_WORKERS];
};

/* ---- guard_link.c ---- */
void guard_link_start(struct master *master);
void guard_send(struct master *master, struct control_message *message, const int *fds, size_t count);
void guard_failed(struct master *master, const char *text); /* FAILED, at start only; then the master ends */
void guard_ready(struct master *master); /* grace times, log level: again after each reload */
void poll_update(uv_poll_t *poll, const struct outbox *outbox,
                 uv_poll_cb on_event); /* reads; writes while something waits */

/* ---- main.c ---- */
/* earlier: NULL, or what counts instead of what is there now (static_load_as()). */
int settings_load(struct master *master, const struct static_loaded *earlier, struct settings **out,
                  struct error *why);
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings); /* NULL is fine */
/* HELLO came: all that an earlier master left is known, also how many workers there are (0: this is the first). kept: what
 * settings_kept() gave, taken over; asked: somebody has sent SIGHUP since the earlier one read the configuration. */
void master_begin(struct master *master, unsigned workers, struct settings *kept, bool asked);
void master_stop(struct master *master);
void master_hangup(struct master *master); /* SIGHUP */

/* ---- threads.c ---- */
int threads_start(struct master *master, struct error *why);

/* ---- settings_kept.c ---- */
/* What was in force when the last master ended, NULL: nothing is known of it. fd, of the guard, is taken over; -1: none. */
struct settings *settings_kept(struct master *master, int fd);
void settings_keep(struct master *master); /* master->settings are in force */

/* ---- static_watch.c ---- */
/* Settings are in force: their file is watched if it lies in such a volume. Calls master_hangup() when it changes. */
void static_watch(struct master *master);
void static_watch_stop(struct master *master);

/* ---- listeners.c ---- */
/* Opens what is not kept yet, binds all before any listens, hands the sockets to the guard and tells it which to
 * close. On failure nothing changed. */
int listeners_apply(struct master *master, const struct static_config *config, struct error *why);
/* A socket of an earlier master, which the guard gave back: fd is taken over. leaving: it is being emptied. */
void listeners_returned(struct master *master, unsigned slot, const char *name, bool leaving, int fd);
/* The guard closed the sockets of a slot that was not wanted; opened again when it is wanted by now. */
void listeners_slot_closed(struct master *master, unsigned slot);
/* The guard closed the last sockets of an entry point that has gone or moved. */
void listeners_left(struct master *master, const char *name);
/* It closed them while an earlier master lived. */
void listeners_left_before(struct master *master, const char *name, const struct sockaddr_storage *bound);
void listeners_free(struct master *master);

/* ---- datagrams.c ---- */
/* For the UDP entry points that have no sockets yet, in *out, also on failure; datagrams_finish() follows. */
int datagrams_open(struct master *master, const struct static_config *config, struct opened_datagrams **out,
                   struct error *why);
/* good: they are handed to the guard, and those that nobody wants are closed; else all stays as it was. */
void datagrams_finish(struct master *master, struct opened_datagrams *opened, bool good);
/* The guard keeps them for an entry point of that name; fd, one of them, is taken over. */
void datagrams_returned(struct master *master, const char *name, int fd);
/* It closed them while an earlier master lived. */
void datagrams_left_before(struct master *master, const char *name, const struct sockaddr_storage *bound);
void datagrams_free(struct master *master);

/* ---- cpus.c ---- */
/* At least 1; the reason is written for the log. budget: bytes of memory, 0 for no bound. */
unsigned cpus_workers(const struct static_config *config, uint64_t budget, char *reason, size_t size);

/* ---- memory.c ---- */
void memory_start(struct master *master);
/* Looks for limits, puts the budgets on the board, tells the workers; returns the smaller budget, 0 for none. */
uint64_t memory_apply(struct master *master, const struct static_config *config);
void memory_tend(struct master *master); /* from the heart */
void memory_stop(struct master *master);

/* ---- spool.c ---- */
/* Looks for a folder, puts the bound on the board, gives each worker its file. */
void spool_apply(struct master *master, const struct static_config *config);
/* A file that no folder knows; -1: there is no place for one. */
int spool_open(struct master *master);
void spool_tend(struct master *master); /* from the heart */
void spool_free(struct master *master);

/* ---- inputs.c ---- */
void inputs_apply(struct master *master); /* enables, disables and watches as the static configuration says */
/* What could not be read or watched, or is held back, is tried again after a while. */
void inputs_retry(struct master *master);
void inputs_stop(struct master *master); /* watches nothing any more */

/* ---- reload.c ---- */
int reload_start(struct master *master, struct error *why);
void reload_request(struct master *master); /* a whole job now, or after the one in flight */
void reload_files(struct master *master);   /* the same, when files that the last one read may be others */
void reload_secrets(
    struct master *master); /* the same, when OCSP answers or keys of session tickets are others */
void reload_stop(struct master *master); /* closes watches; a job in flight is let finish */
void reload_free(struct master *master);

/* ---- keys.c ---- */
void keys_start(struct master *master);
void keys_adopt(struct master *master,
                int fd); /* of the guard, taken over; -1: none. Before the first compile */
void keys_tend(struct master *master, int64_t now); /* from the heart */
void keys_free(struct master *master);

/* ---- stapling.c, key_fetch.c: the rest of them is asking.h ---- */
void stapling_start(struct master *master);
void key_fetch_start(struct master *master);
void key_fetch_tend(struct master *master); /* from the heart */

/* ---- cluster_fetch.c; key_fetch.c makes a generation of what was answered ---- */
void cluster_fetch_start(struct master *master);
void cluster_fetch_tend(struct master *master); /* from the heart */
void cluster_fetch_stop(struct master *master); /* its handles close with the loop's */
void cluster_fetch_free(struct master *master);

/* ---- publish.c ---- */
/* hold, which may be NULL, is taken over. */
struct page_file *page_file_new(int fd, uint64_t number, uint64_t hash, struct target_hold *hold);
struct page_file *page_file_ref(struct page_file *file);
void page_file_unref(struct page_file *file);              /* NULL is fine */
uint64_t publish_next_number(const struct master *master); /* of the next generation */
/* Takes over the references in `pages` and the text. words: the generation with whose number all pages were compiled, or
 * for which only some of them were made anew: then that of the generation in force (publication.words). */
void publish(struct master *master, const struct page_files *pages, char *changes, uint64_t words);
/* The same for what is served until there is a first generation (waiting.h): it counts as none. */
void publish_waiting(struct master *master, const struct page_files *pages, uint64_t words);
/* hash: over the hashes of all pages, page_files_hash(). */
bool publish_is_withdrawn(const struct master *master, uint64_t hash);
uint64_t page_files_hash(const struct page_files *pages);
void publish_gone(struct master *master, unsigned slot);
/* A job is back whose outcome is in force: when all providers have given something, this is the generation that all
 * workers must have for weir to be ready. */
void publish_loaded(struct master *master);
void publish_memory(struct master *master); /* master->memory_fds to all workers */
void publish_spool(struct master *master);  /* a file of its own to each that has none of this master's */
/* Whether weir is ready: every provider was read once and every worker serves the result, or what came after it. Never taken
 * back. */
void publish_acknowledged(struct master *master);
/* From the heart: what could not be sent, what was refused, ready, sweeping. now: process_clock_ns(). */
void publish_tend(struct master *master, int64_t now);
void publish_free(struct master *master);

/* ---- worker_link.c ---- */
void worker_link_open(struct master *master, unsigned slot, int fd); /* a new channel; fd is taken over */
/* Sends the newest generation if this worker is free to take it, has read what was sent before, and has not answered it
 * already. */
void worker_link_offer(struct worker_link *link);
void worker_link_offer_memory(
    struct worker_link *link); /* what it measures with, also when that is nothing any more */
void worker_link_offer_spool(struct worker_link *link);       /* once: it keeps the first one */
void worker_link_tend(struct worker_link *link, int64_t now); /* what could not be sent, what was refused */
void worker_link_end(struct worker_link *link);

/* ---- changes.c (runs in the job) ---- */
/* What has to be remembered of a resolved model, to compare the next with it. */
struct known *known_new(const struct model *model);
/* "routers: 1 added (a@file), 1 changed (b@file); services: ...", or an empty text when no object differs. before may
 * be NULL. malloc'd. */
char *known_changes(const struct known *before, const struct known *now);
/* Says those that were not there before. */
void known_log_errors(const struct known *before, const struct known *now);
void known_free(struct known *known);
/* Middlewares of these names read something else than before, and no object differs. The words of known_changes(). */
char *known_read(const struct slice *names, size_t count);
/* Services of the model have other servers: what is known of those at these positions is brought up to date. The words of
 * known_changes(). */
char *known_refresh(struct known *known, const struct model *model, const uint32_t *positions, size_t count);
/* The same for a model that resolve_patch() brought up to date. */
char *known_patch(struct known *known, const struct model *model, const struct resolve_patched *patched);

/* ---- life.c ---- */
void life_settings(struct master *master, const char *refused); /* NULL: they are in force */
void life_providers(struct master *master);                     /* who is enabled, who could be read */
void life_reload(struct master *master, enum board_reload result, int64_t took_ns, const char *text);
void life_published(struct master *master, uint64_t number);
void life_counted(struct master *master, uint64_t number, const struct model *model);
void life_recounted(struct master *master, uint64_t number,
                    uint64_t like); /* its content is that of another one */
void life_withdrawn(struct master *master, uint64_t number);

/* ---- log_file.c ---- */
int log_file_join(struct error *why); /* from now on our lines go to a ring */
/* The log of all processes goes where the configuration says from now on; a file is opened again. */
void log_file_open(const struct log_config *config);
void log_file_close(void); /* writes what is left, for a second at most */

#endif
