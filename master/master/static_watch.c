/*
 * static_watch.c - a static configuration in a volume of Kubernetes is read again when the volume changes.
 *
 * A mounted ConfigMap or Secret is a directory whose files are links into `..data`, itself a link that is swapped when
 * the object changes: whoever writes there means all of it, at once. So such a file needs no signal; its change has the
 * effect of SIGHUP. Any other file is edited by hand or in two goes and waits for SIGHUP.
 *
 * What was read last is known by a hash: a swap that leaves our file as it was is passed over, and one that came between
 * reading and watching is not missed.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "master/master/master.h"
#include "master/source/source.h"
#include "master/source/tree.h"

static bool in_volume(struct slice file)
{
    ptrdiff_t slash = slice_rfind(file, '/');
    char link[PATH_MAX];
    struct stat st;
    int len = snprintf(link, sizeof(link), "%.*s..data", (int)(slash + 1), file.ptr);

    return len > 0 && (size_t)len < sizeof(link) && lstat(link, &st) == 0 && S_ISLNK(st.st_mode);
}

static void on_changed(void *context)
{
    struct master *master = context;
    struct slice file = master->settings->loaded.file;
    struct error why;
    struct text text;

    text_init(&text);
    if (tree_read(file, &text, &why) == 0) { /* else it is on its way: an event follows */
        uint64_t hash = hash_slice(0, text_slice(&text));

        if (hash != master->static_seen) {
            master->static_seen = hash;
            log_info("%.*s has changed: reading the static configuration again", SLICE_ARG(file));
            master_hangup(master);
        }
    }
    text_free(&text);
}

void static_watch(struct master *master)
{
    const struct static_loaded *loaded = &master->settings->loaded;
    struct error why;

    static_watch_stop(master);
    master->static_seen = loaded->file_hash;
    if (loaded->form != STATIC_FILE || !in_volume(loaded->file)) {
        return;
    }
    if (watch_start(&master->loop, loaded->file, on_changed, master, &master->static_watch, &why) < 0) {
        log_warn("The static configuration: %s; its changes need SIGHUP", why.text);
        return;
    }
    if (watch_full(master->static_watch)) {
        log_warn("The static configuration: fs.inotify.max_user_watches are in use; its changes need SIGHUP");
    }
    on_changed(master);
}

void static_watch_stop(struct master *master)
{
    watch_stop(master->static_watch);
    master->static_watch = NULL;
}
