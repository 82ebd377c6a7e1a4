/*
 * state.c - contract and layout in state.h.
 *
 * Not here: when it is written (keeper.c), when it is read (master/provider/kubernetes_live.c).
 */
#include "master/kube/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/doc/doc.h"
#include "master/kube/object.h"

#define FOLDER "kubernetes"
#define LAYOUT 1
#define PIECE 65536
#define NAME 80
#define LOCK_TRIES 3

/* ---- folder and file ---- */
static int failed(struct error *why, int error, const char *what)
{
    return error_set(why, -error, "%s: %s", what, strerror(error));
}

static int check_ours(const struct stat *st, struct error *why)
{
    if (st->st_uid != geteuid()) {
        return error_set(why, -EPERM, "belongs to user %u, and weir runs as %u: remove it",
                         (unsigned)st->st_uid, (unsigned)geteuid());
    }
    if (st->st_mode & 077) {
        return error_set(why, -EPERM, "is open to others (mode %04o): remove it, or chmod go-rwx",
                         (unsigned)st->st_mode & 07777u);
    }
    return 0;
}

static int open_folder(struct slice dir, bool create, int *out, struct error *why)
{
    char path[PATH_MAX];
    struct stat st;
    int outer, rc = 0;

    if (!slice_to_cstr(dir, path, sizeof(path))) {
        return error_set(why, -ENAMETOOLONG, "bad path");
    }
    if (create && mkdir(path, 0700) == -1 && errno != EEXIST) {
        return failed(why, errno, "cannot be made");
    }
    outer = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (outer == -1) {
        return failed(why, errno, "cannot open");
    }
    if (create && mkdirat(outer, FOLDER, 0700) == -1 && errno != EEXIST) {
        rc = failed(why, errno, "cannot make the folder " FOLDER);
    } else if ((*out = openat(outer, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
        rc = failed(why, errno, "cannot open the folder " FOLDER);
    } else if (fstat(*out, &st) == -1) {
        rc = failed(why, errno, "cannot ask for the folder " FOLDER);
    } else if (check_ours(&st, why) < 0) {
        error_prefix(why, FOLDER);
        rc = -EPERM;
    }
    if (rc < 0 && *out != -1) {
        close(*out);
        *out = -1;
    }
    close(outer);
    return rc;
}

/* The file to write to, empty and locked. Two weirs may share a folder (one pod replaces another). */
static int open_new(int folder, const char *name, struct error *why)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        struct stat ours, there;
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

        if (fd == -1) {
            return failed(why, errno, "cannot make a new file");
        }
        if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
            close(fd);
            return error_set(why, -EBUSY, "another process writes there");
        }
        /* who held the lock before may have given the file its final name meanwhile */
        if (fstat(fd, &ours) == 0 && fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
            ours.st_ino == there.st_ino && ours.st_dev == there.st_dev) {
            if (S_ISREG(ours.st_mode) && check_ours(&ours, why) == 0 && ftruncate(fd, 0) == 0) {
                return fd;
            }
            close(fd);
            return error_set(why, -EPERM, "%s is in the way: remove it", name);
        }
        close(fd);
    }
    return error_set(why, -EBUSY, "another process writes there");
}

/* ---- writing ---- */
struct writer {
    int fd;
    struct text pending;
    uint64_t hash, total, objects;
};

static int flush(struct writer *writer, struct error *why)
{
    size_t done = 0;

    while (done < writer->pending.len) {
        ssize_t put = write(writer->fd, writer->pending.ptr + done, writer->pending.len - done);

        if (put < 0 && errno != EINTR) {
            return failed(why, errno, "cannot write");
        }
        done += put > 0 ? (size_t)put : 0;
    }
    writer->total += done;
    text_clear(&writer->pending);
    if (writer->total > KUBE_STATE_MAX) {
        return error_set(why, -EFBIG, "would be larger than %u MiB", KUBE_STATE_MAX >> 20);
    }
    return 0;
}

/* What was added to `pending` since `from` is a line. */
static int end_line(struct writer *writer, size_t from, struct error *why)
{
    writer->hash = hash_slice(writer->hash, slice_of(writer->pending.ptr + from, writer->pending.len - from));
    text_add_char(&writer->pending, '\n');
    return writer->pending.len >= PIECE ? flush(writer, why) : 0;
}

static bool is_secret(const struct kube_object *object)
{
    return slice_eq(object->kind, SLICE("Secret"));
}

static int write_all(struct writer *writer, const struct kube_state_place *place,
                     const struct kube_store *store, int64_t unix_s, struct error *why)
{
    const struct kube_object **objects;
    size_t count = kube_objects(store, &objects);
    int rc;

    text_printf(&writer->pending,
                "{\"weir\":\"" FOLDER "\",\"layout\":%d,\"provider\":\"%s\",\"source\":", LAYOUT,
                place->provider);
    text_add_json(&writer->pending, place->source);
    text_printf(&writer->pending, ",\"time\":%lld}", (long long)unix_s);
    rc = end_line(writer, 0, why);
    for (size_t i = 0; i < count && rc == 0; i++) {
        size_t from = writer->pending.len;

        if (is_secret(objects[i])) {
            continue;
        }
        text_add_cstr(&writer->pending, "{\"object\":");
        doc_to_json(objects[i]->doc, &writer->pending);
        text_add_char(&writer->pending, '}');
        writer->objects++;
        rc = end_line(writer, from, why);
    }
    if (rc == 0) {
        text_printf(&writer->pending, "{\"end\":{\"objects\":%llu,\"hash\":\"%016llx\"}}\n",
                    (unsigned long long)writer->objects, (unsigned long long)writer->hash);
        rc = flush(writer, why);
    }
    return rc;
}

static int write_file(int folder, const struct kube_state_place *place, const struct kube_store *store,
                      int64_t unix_s, struct error *why)
{
    struct writer writer = {.fd = -1};
    char name[NAME], temporary[NAME];
    int rc;

    (void)snprintf(name, sizeof(name), "%s.jsonl", place->provider);
    (void)snprintf(temporary, sizeof(temporary), ".%s.new", place->provider);
    writer.fd = open_new(folder, temporary, why);
    if (writer.fd < 0) {
        return writer.fd;
    }
    text_init(&writer.pending);
    rc = write_all(&writer, place, store, unix_s, why);
    text_free(&writer.pending);
    if (rc == 0 && fsync(writer.fd) == -1) {
        rc = failed(why, errno, "cannot write");
    }
    if (rc == 0 && renameat(folder, temporary, folder, name) == -1) {
        rc = failed(why, errno, "cannot give the new file its name");
    }
    if (rc < 0) {
        (void)unlinkat(folder, temporary, 0); /* a full disk gets its space back */
    } else {
        (void)fsync(folder);
    }
    close(writer.fd);
    return rc;
}

static int named(const struct kube_state_place *place, int rc, struct error *why)
{
    if (rc < 0) {
        error_prefix(why, "%.*s/" FOLDER "/%s.jsonl", SLICE_ARG(place->dir), place->provider);
    }
    return rc;
}

int kube_state_write(const struct kube_state_place *place, const struct kube_store *store, int64_t unix_s,
                     struct error *why)
{
    int folder = -1, rc = open_folder(place->dir, true, &folder, why);

    if (rc == 0) {
        rc = write_file(folder, place, store, unix_s, why);
        close(folder);
    }
    return named(place, rc, why);
}

/* ---- reading ---- */
struct reader {
    const struct kube_state_place *place;
    struct kube_batch **batches;
    size_t count, capacity, line;
    uint64_t hash;
    int64_t unix_s;
    bool ended;
};

static int damaged(struct error *why, const struct reader *reader, const char *what)
{
    return error_set(why, -EBADMSG, "line %zu: %s: remove the file", reader->line, what);
}

static int read_head(struct reader *reader, const struct doc *head, struct error *why)
{
    int64_t layout = 0;

    if (!slice_eq(doc_text(doc_get(head, "weir"), SLICE("")), SLICE(FOLDER)) ||
        !slice_eq(doc_text(doc_get(head, "provider"), SLICE("")), slice_cstr(reader->place->provider)) ||
        !doc_int(doc_get(head, "time"), &reader->unix_s) || reader->unix_s <= 0) {
        return damaged(why, reader, "is not what weir writes there");
    }
    if (!doc_int(doc_get(head, "layout"), &layout) || layout != LAYOUT) {
        return damaged(why, reader, "was written by another version of weir");
    }
    if (!slice_eq(doc_text(doc_get(head, "source"), SLICE("")), reader->place->source)) {
        return error_set(why, -ESTALE, "was kept of the API server %.*s, and %.*s is the one to ask",
                         SLICE_ARG(slice_head(doc_text(doc_get(head, "source"), SLICE("")), 128)),
                         SLICE_ARG(reader->place->source));
    }
    return 0;
}

static int read_end(struct reader *reader, const struct doc *end, struct error *why)
{
    int64_t objects = -1;
    char hash[24];

    (void)snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)reader->hash);
    if (!doc_int(doc_get(end, "objects"), &objects) || objects < 0 || (uint64_t)objects != reader->count ||
        !slice_eq(doc_text(doc_get(end, "hash"), SLICE("")), slice_cstr(hash))) {
        return damaged(why, reader, "the file has changed since weir wrote it");
    }
    reader->ended = true;
    return 0;
}

/* The batch is the reader's afterwards, or gone. */
static int read_object(struct reader *reader, struct kube_batch *batch, struct doc *object, struct error *why)
{
    if (object && object->kind == DOC_MAP) {
        kube_object_forget_places(object);
        batch_add_object(batch, object);
    }
    if (batch->count != 1 || is_secret(&batch->objects[0]) ||
        (reader->count &&
         store_order(&reader->batches[reader->count - 1]->objects[0], &batch->objects[0]) >= 0)) {
        batch_unref(batch);
        return damaged(why, reader, "is not what weir writes there");
    }
    if (reader->count == reader->capacity) {
        reader->capacity = reader->capacity ? reader->capacity * 2 : 64;
        reader->batches = xrealloc(reader->batches, reader->capacity * sizeof(struct kube_batch *));
    }
    reader->batches[reader->count++] = batch;
    return 0;
}

static int read_line(struct reader *reader, struct slice line, struct error *why)
{
    struct kube_batch *batch = batch_new(SLICE(""));
    struct doc *doc = NULL;
    int rc = 0;

    reader->line++;
    if (reader->ended || doc_read_json(batch->pool, SLICE("line"), line, &doc, NULL) < 0) {
        rc = damaged(why, reader, "is not what weir writes there");
    } else if (reader->line == 1) {
        rc = read_head(reader, doc, why);
    } else if (doc_get(doc, "end")) {
        rc = read_end(reader, doc_get(doc, "end"), why);
    } else {
        rc = read_object(reader, batch, doc_get(doc, "object"), why);
        batch = NULL;
    }
    batch_unref(batch);
    reader->hash = hash_slice(reader->hash, line);
    return rc;
}

static int read_lines(struct reader *reader, int fd, struct error *why)
{
    struct text pending;
    char *piece = xmalloc(PIECE);
    uint64_t total = 0;
    ssize_t got;
    int rc = 0;

    text_init(&pending);
    while (rc == 0 && ((got = read(fd, piece, PIECE)) > 0 || (got < 0 && errno == EINTR))) {
        struct slice rest = slice_of(piece, got > 0 ? (size_t)got : 0);
        ptrdiff_t feed;

        total += rest.len;
        if (total > KUBE_STATE_MAX) {
            rc = error_set(why, -EFBIG, "is larger than %u MiB: remove it", KUBE_STATE_MAX >> 20);
        }
        while (rc == 0 && (feed = slice_find(rest, '\n')) >= 0) {
            text_add(&pending, slice_of(rest.ptr, (size_t)feed));
            rc = read_line(reader, text_slice(&pending), why);
            text_clear(&pending);
            rest = slice_of(rest.ptr + feed + 1, rest.len - (size_t)feed - 1);
        }
        text_add(&pending, rest);
    }
    if (rc == 0 && got < 0) {
        rc = failed(why, errno, "cannot read");
    }
    if (rc == 0 && (!reader->ended || pending.len)) {
        rc = damaged(why, reader, "the file ends too early");
    }
    text_free(&pending);
    free(piece);
    return rc;
}

static int read_file(int folder, struct reader *reader, struct error *why)
{
    char name[NAME];
    struct stat st;
    int fd, rc;

    (void)snprintf(name, sizeof(name), "%s.jsonl", reader->place->provider);
    fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1) {
        return failed(why, errno, "cannot open");
    }
    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        rc = error_set(why, -EINVAL, "is no regular file: remove it");
    } else {
        rc = check_ours(&st, why);
    }
    if (rc == 0) {
        rc = read_lines(reader, fd, why);
    }
    close(fd);
    return rc;
}

int kube_state_read(const struct kube_state_place *place, struct kube_store **out, int64_t *unix_s,
                    struct error *why)
{
    struct reader reader = {.place = place};
    int folder = -1, rc = open_folder(place->dir, false, &folder, why);

    if (rc == 0) {
        rc = read_file(folder, &reader, why);
        close(folder);
    }
    if (rc == 0) {
        *out = store_from_sorted(reader.batches, reader.count);
        *unix_s = reader.unix_s;
    }
    for (size_t i = 0; i < reader.count; i++) {
        batch_unref(reader.batches[i]);
    }
    free(reader.batches);
    return named(place, rc, why);
}
