/*
 * manifests.c - the source "a file or directory of Kubernetes YAML"; contract in source.h.
 *
 * Each file becomes a batch. A file whose content did not change since `previous` keeps its batch, so a change costs
 * what changed. A file that is unreadable, malformed in part, or suddenly empty (a writer has just cut it) keeps, next to what
 * could be read, the objects it gave before; the notice says so, and the next event reads it again.
 *
 * Not here: what the objects mean (master/provider), watching (watch.c).
 */
#include "master/source/store.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "master/source/tree.h"

static const char *const endings[] = {".yaml", ".yml", ".json", NULL};

static void on_document(void *context, struct doc *document)
{
    batch_add_document(context, document);
}

static void on_bad(void *context, const struct error *why)
{
    struct kube_batch *batch = context;
    struct slice text = slice_cstr(why->text), rest, words;
    uint32_t line = 0;

    /* "NAME:LINE: words", "NAME:LINE:COLUMN: words": file and line have a place of their own in a notice */
    if (slice_has_prefix(text, batch->file) && text.len > batch->file.len &&
        text.ptr[batch->file.len] == ':') {
        uint64_t number, column;

        rest = slice_of(text.ptr + batch->file.len + 1, text.len - batch->file.len - 1);
        if (slice_to_u64(slice_split(&rest, ':'), &number) && number <= UINT32_MAX) {
            line = (uint32_t)number;
            words = rest;
            text = slice_trim(slice_to_u64(slice_split(&words, ':'), &column) ? words : rest);
        }
    }
    batch->broken = true;
    batch_notice(batch, true, line, SLICE(""), "%.*s", SLICE_ARG(text));
}

static void read_documents(struct kube_batch *batch, struct slice content)
{
    static const char *const json[] = {".json", NULL};
    struct error why;

    if (tree_has_ending(batch->file, json)) {
        struct doc *document;

        if (doc_read_json(batch->pool, batch->file, content, &document, &why) < 0) {
            on_bad(batch, &why);
        } else {
            batch_add_document(batch, document);
        }
        return;
    }
    doc_read_yaml_stream(batch->pool, batch->file, content, on_document, on_bad, batch);
}

/* The objects of the file's last whole state stay, as far as it does not give them anew. What a broken state in between
 * gave is superseded by what is read now, so a file that stays broken does not pile up its past. */
static void keep_previous(struct kube_batch *batch, struct kube_batch *previous)
{
    if (previous && previous->kept) {
        previous = previous->kept;
    }
    if (previous && previous->count > 0) {
        batch->kept = batch_ref(previous);
        batch_notice(
            batch, false, 0, SLICE(""),
            "objects that this file gave before and does not give now stay in force until it is whole again");
    }
}

static struct kube_batch *load_file(struct slice file, const struct kube_store *previous)
{
    struct kube_batch *before = store_batch(previous, file), *batch;
    struct text content;
    struct error why;

    text_init(&content);
    int rc = tree_read(file, &content, &why);

    if (rc < 0) {
        batch = batch_new(file);
        batch->unread = tree_may_pass(rc);
        batch->length = SIZE_MAX; /* equal to no content */
        batch->broken = true;
        batch_notice(batch, true, 0, SLICE(""), "%s", why.text);
        keep_previous(batch, before);
        text_free(&content);
        return batch;
    }

    uint64_t hash = hash_slice(0, text_slice(&content));

    if (before && before->hash == hash && before->length == content.len) {
        text_free(&content);
        return batch_ref(before);
    }
    batch = batch_new(file);
    batch->hash = hash;
    batch->length = content.len;
    read_documents(batch, text_slice(&content));
    if (slice_trim(text_slice(&content)).len == 0 && before && (before->count || before->kept)) {
        batch->broken = true;
        batch_notice(batch, true, 0, SLICE(""), "is empty: remove the file if its objects shall go");
    }
    if (batch->broken) {
        keep_previous(batch, before);
    }
    text_free(&content);
    return batch;
}

/* Nobody knows what is in the directory now: what its files gave stays. New references, after the directory's own batch. */
static size_t load_unread(const struct tree_problem *problem, const struct kube_store *previous,
                          struct kube_batch **batches)
{
    struct kube_batch *own = batch_new(problem->path), *const * known;
    size_t known_count = store_batches(previous, &known), count = 0;

    own->length = SIZE_MAX;
    own->unread = problem->unread;
    batch_notice(own, true, 0, SLICE(""), "%.*s", SLICE_ARG(problem->text));
    batches[count++] = own;
    for (size_t i = 0; i < known_count && problem->unread; i++) {
        if (tree_is_below(known[i]->file, problem->path)) {
            batches[count++] = batch_ref(known[i]);
        }
    }
    if (count > 1) {
        batch_notice(own, false, 0, SLICE(""),
                     "what the files below it gave before stays in force until it can be read again");
    }
    return count;
}

int manifests_load(struct slice path, struct kube_store *previous, struct kube_store **out, struct error *why)
{
    struct pool *pool = pool_new(16384, 0);
    struct tree tree;
    int rc = tree_list(pool, path, endings, TREE_LINKED_DIRS, &tree, why);

    if (rc < 0) {
        pool_free(pool);
        return rc;
    }

    struct kube_batch *const *known;
    size_t count = 0;
    struct kube_batch **batches = xcalloc(
        tree.files.count + tree.problems.count + store_batches(previous, &known) + 1, sizeof(*batches));
    const struct slice *files = tree.files.items;
    const struct tree_problem *problems = tree.problems.items;

    for (size_t i = 0; i < tree.files.count; i++) {
        batches[count++] = load_file(files[i], previous);
    }
    for (size_t i = 0; i < tree.problems.count; i++) {
        count += load_unread(&problems[i], previous, batches + count);
    }
    *out = store_rebuild(previous, batches, count);
    free(batches);
    pool_free(pool);
    return 0;
}
