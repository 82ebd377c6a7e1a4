/*
 * settings_kept.c - the static configuration that is in force, kept in a memfd of the guard's: a new master falls back on it when
 * what it finds cannot be taken. Flags and variables are the same for each master, so only the file's text is kept.
 *
 * Written as a whole when it differs. A master that dies while it writes leaves a hash that does not fit, and thereby nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "master/master/master.h"

#define MAGIC "weir settings 1\n"
#define STORE_MAX ((off_t)8 << 20)

struct head {
    char magic[16];
    uint64_t hash; /* of all behind it */
    uint64_t form, file_size, text_size;
};

#define HASH_END (offsetof(struct head, hash) + sizeof(uint64_t))

static uint64_t hash_of(struct slice all)
{
    return hash_slice(0, slice_from(all, HASH_END));
}

void settings_keep(struct master *master)
{
    const struct static_loaded *loaded = &master->settings->loaded;
    struct head head = {.form = loaded->form, .file_size = loaded->file.len, .text_size = loaded->text.len};
    struct text all;

    if (master->settings_fd == -1) {
        return;
    }
    memcpy(head.magic, MAGIC, sizeof(head.magic));
    text_init(&all);
    text_add(&all, slice_of((const char *)&head, sizeof(head)));
    text_add(&all, loaded->file);
    text_add(&all, loaded->text);
    head.hash = hash_of(text_slice(&all));
    memcpy(all.ptr, &head, sizeof(head));
    if (head.hash != master->settings_hash &&
        (pwrite(master->settings_fd, all.ptr, all.len, 0) != (ssize_t)all.len ||
         ftruncate(master->settings_fd, (off_t)all.len) == -1)) {
        log_warn("The static configuration cannot be kept for the next master: %m");
        head.hash = 0;
    }
    master->settings_hash = head.hash;
    text_free(&all);
}

/* Half of it, or of a build that knows other forms? */
static bool take(struct slice all, struct static_loaded *out, uint64_t *hash)
{
    struct head head;

    if (all.len < sizeof(head)) {
        return false;
    }
    memcpy(&head, all.ptr, sizeof(head));
    if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0 || head.hash != hash_of(all) ||
        head.form > STATIC_ENVIRONMENT || head.file_size > all.len || head.text_size > all.len ||
        sizeof(head) + head.file_size + head.text_size != all.len) {
        return false;
    }
    out->form = (enum static_form)head.form;
    out->file = slice_of(all.ptr + sizeof(head), head.file_size);
    out->text = slice_of(all.ptr + sizeof(head) + head.file_size, head.text_size);
    *hash = head.hash;
    return true;
}

static struct settings *load(struct master *master, struct slice all)
{
    struct static_loaded earlier = {0};
    struct settings *settings = NULL;
    struct error why;

    if (take(all, &earlier, &master->settings_hash) &&
        settings_load(master, &earlier, &settings, &why) < 0) { /* of a build that took more */
        log_warn("The static configuration that was in force cannot be had any more: %s", why.text);
    }
    return settings;
}

struct settings *settings_kept(struct master *master, int fd)
{
    struct settings *settings;
    struct stat st;

    master->settings_fd = fd;
    if (fd == -1 || fstat(fd, &st) == -1 || st.st_size == 0 || st.st_size > STORE_MAX) {
        return NULL;
    }
    char *bytes = xmalloc((size_t)st.st_size);
    ssize_t len = pread(fd, bytes, (size_t)st.st_size, 0);

    settings = load(master, slice_of(bytes, len > 0 ? (size_t)len : 0));
    free(bytes);
    return settings;
}
