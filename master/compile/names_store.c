/*
 * names_store.c - the last good addresses of names, kept in a memfd of the guard's, so that a master that starts while DNS
 * is down serves what the one before it knew.
 *
 *   weir names 1
 *   backend.example 10.0.0.1 10.0.0.2 2001:db8::1
 *   end
 *
 * Written as a whole whenever an answer differs. A master that dies while it writes leaves no "end" and thereby nothing.
 * Not here: asking (names.c); whatever is read is asked again at once.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "master/compile/names_inner.h"

#define FIRST_LINE "weir names 1\n"
#define LAST_LINE "end\n"
#define STORE_MAX ((off_t)16 * 1024 * 1024)
#define STORED_ADDRESSES 256u /* of one name */

/* ---- writing ---- */
static void add_name(struct text *text, const struct name *name)
{
    char address[ADDRESS_TEXT_SIZE];

    text_add_cstr(text, name->host);
    for (size_t i = 0; i < name->count; i++) {
        text_add_char(text, ' ');
        text_add(text, slice_of(address, address_format(&name->addresses[i], address)));
    }
    text_add_char(text, '\n');
}

void names_store(struct names *names)
{
    struct text text;

    if (names->store_fd == -1) {
        return;
    }
    text_init(&text);
    text_add(&text, SLICE(FIRST_LINE));
    pthread_mutex_lock(&names->mutex);
    for (size_t i = 0; i < names->size; i++) {
        const struct name *name = names->table[i];

        if (name && name->count > 0 && name->due_ms != UINT64_MAX) { /* those are never asked: localhost */
            add_name(&text, name);
        }
    }
    pthread_mutex_unlock(&names->mutex);
    text_add(&text, SLICE(LAST_LINE));
    if (ftruncate(names->store_fd, 0) == -1 ||
        pwrite(names->store_fd, text.ptr, text.len, 0) != (ssize_t)text.len) {
        log_warn("The addresses of names cannot be kept for the next master: %m");
    }
    text_free(&text);
}

/* ---- reading ---- */
static void read_name(struct names *names, struct slice line)
{
    struct slice host = slice_split(&line, ' ');
    struct address found[STORED_ADDRESSES];
    size_t count = 0;

    while (line.len > 0 && count < STORED_ADDRESSES) {
        if (!address_parse(slice_split(&line, ' '), &found[count++])) {
            return;
        }
    }
    if (host.len == 0 || host.len > 255 || count == 0 || names_find(names, host.ptr, host.len)) {
        return;
    }
    struct name *name = names_add(names, host.ptr, host.len);

    name->addresses = xmalloc(count * sizeof(*found));
    memcpy(name->addresses, found, count * sizeof(*found));
    name->count = count;
    name->answered = true; /* nobody has to wait for it */
    name->round = names->round;
}

static void read_all(struct names *names, struct slice text)
{
    if (!slice_has_prefix(text, SLICE(FIRST_LINE)) || !slice_has_suffix(text, SLICE("\n" LAST_LINE))) {
        return;
    }
    text = slice_of(text.ptr + strlen(FIRST_LINE), text.len - strlen(FIRST_LINE) - strlen(LAST_LINE));
    pthread_mutex_lock(&names->mutex);
    while (text.len > 0) {
        read_name(names, slice_split(&text, '\n'));
    }
    pthread_mutex_unlock(&names->mutex);
}

void names_remember(struct names *names, int fd)
{
    struct stat st;

    names->store_fd = fd;
    if (fstat(fd, &st) == -1 || st.st_size == 0 || st.st_size > STORE_MAX) {
        return;
    }
    char *text = xmalloc((size_t)st.st_size);
    ssize_t len = pread(fd, text, (size_t)st.st_size, 0);

    if (len > 0) {
        read_all(names, slice_of(text, (size_t)len));
    }
    free(text);
}
