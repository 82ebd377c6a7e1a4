/*
 * keys.c - tends the vault: keys of session tickets are rotated, files of certificates and users looked at, both from the heart.
 *
 * Looking is done on a thread, because there may be ten thousand files; what changed makes a new generation. Where there are
 * many, their folders are watched, and as long as nothing happens there they are looked at seldom.
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/master/master.h"
#include "master/tls/vault.h"

#define LOOK_NS (INT64_C(2) * 1000000000)
#define LOOK_SELDOM_NS (INT64_C(60) * 1000000000) /* where folders are watched */
#define MANY 500                                  /* files: fewer cost less than 0.1 % of a core */

struct keys {
    uv_work_t work;
    struct master *master;
    struct vault_files *files; /* being looked at; NULL: none are */
    bool changed;
    int64_t next_ns;
    struct vault_files *watched; /* whose folders are watched by fd; NULL: none are */
    int fd;
    int64_t seldom_ns; /* then they are looked at, whatever was told */
};

void keys_start(struct master *master)
{
    master->vault = vault_new(true);
    master->keys = xcalloc(1, sizeof(*master->keys));
    master->keys->master = master;
}

void keys_adopt(struct master *master, int fd)
{
    if (fd != -1) {
        vault_adopt(master->vault, fd);
    }
    (void)vault_rotate(master->vault, (int64_t)time(NULL)); /* before the first compile */
}

static void unwatch(struct keys *keys)
{
    if (keys->watched) {
        vault_files_unref(keys->watched);
        close(keys->fd);
        keys->watched = NULL;
    }
}

/* Others than before: watched first, then looked at, so nothing is missed between the two. */
static void watch(struct keys *keys)
{
    unwatch(keys);
    keys->fd = vault_files_count(keys->files) >= MANY ? vault_files_watch(keys->files) : -1;
    if (keys->fd != -1) {
        keys->watched = vault_files_ref(keys->files);
    }
}

static void look(uv_work_t *work)
{
    struct keys *keys = work->data;

    if (keys->files != keys->watched) {
        watch(keys);
    }
    keys->changed = vault_files_changed(keys->files);
}

static void looked(uv_work_t *work, int status)
{
    struct keys *keys = work->data;

    (void)status;
    vault_files_unref(keys->files);
    keys->files = NULL;
    if (keys->changed) {
        keys->seldom_ns = 0; /* until what is read then is what is there */
        log_debug("A file of a certificate or of users has changed");
        reload_files(keys->master);
    }
}

void keys_tend(struct master *master, int64_t now)
{
    struct keys *keys = master->keys;

    if (now < keys->next_ns || keys->files || master->job || master->stopping ||
        master->current.number == 0) {
        return;
    }
    keys->next_ns = now + LOOK_NS;
    if (vault_rotate(master->vault, (int64_t)time(NULL))) {
        log_debug("There is a new key for session tickets");
        reload_secrets(master);
        return;
    }
    keys->files = vault_files(master->vault);
    if (keys->files && keys->files == keys->watched && now < keys->seldom_ns && !vault_watch_told(keys->fd)) {
        vault_files_unref(keys->files);
        keys->files = NULL;
    }
    if (keys->files) {
        keys->seldom_ns = now + LOOK_SELDOM_NS;
        keys->work.data = keys;
        (void)uv_queue_work(&master->loop, &keys->work, look, looked);
    }
}

void keys_free(struct master *master)
{
    if (master->keys) {
        unwatch(master->keys);
    }
    vault_free(master->vault);
    free(master->keys);
}
