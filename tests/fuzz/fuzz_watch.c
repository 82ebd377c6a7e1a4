/*
 * fuzz_watch.c - answers of an API server: the splitter in any cuts, and the objects and events that it finds.
 *
 * The first byte picks the shape, the second the size of the pieces. However it is cut, the same is found.
 */
#include <stdlib.h>

#include "master/kube/object.h"
#include "master/kube/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static const struct kube_resource resource = {
    .group = "traefik.io", .version = "v1alpha1", .plural = "x", .kind = "X"};

struct found {
    struct text text;
    bool events, read;
};

static void read_part(struct found *found, struct slice text)
{
    struct watch_event event;
    struct kube_batch *batch = NULL;
    char version[64];
    struct error why = {""};

    if (found->events) {
        if (kube_event_read(&resource, text, &event, &why) == 0) {
            MUST((event.batch != NULL) == (event.type <= WATCH_DELETED));
            batch_unref(event.batch);
        } else {
            MUST(why.text[0] && event.batch == NULL);
        }
    } else if (kube_object_read(&resource, text, &batch, version, &why) == 0) {
        MUST(batch->count == 1 && kube_object_same(batch, batch));
        batch_unref(batch);
    } else {
        MUST(why.text[0] && batch == NULL);
    }
}

static void on_item(void *context, struct slice text)
{
    struct found *found = context;

    text_add(&found->text, text);
    text_add_char(&found->text, '\n');
    if (found->read) {
        read_part(found, text);
    }
}

static void on_member(void *context, struct slice key, struct slice text)
{
    struct found *found = context;

    text_add(&found->text, key);
    text_add(&found->text, text);
}

static void on_oversize(void *context, size_t length)
{
    struct found *found = context;

    text_printf(&found->text, "%zu", length);
}

static const struct split_handlers handlers = {on_item, on_member, on_oversize};

static void run(struct found *found, struct slice input, size_t step)
{
    struct split split;
    struct error why = {""};
    int rc = 0;

    text_init(&found->text);
    text_add_cstr(&found->text, "");
    split_init(&split, found->events ? SPLIT_SEQUENCE : SPLIT_LIST, 4096, &handlers, found);
    while (input.len > 0 && rc == 0) {
        rc = split_feed(&split, slice_head(input, step), &why);
        input = slice_from(input, step);
    }
    text_add_char(&found->text, rc < 0 ? '!' : split_at_end(&split) ? '.' : '~');
    split_free(&split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct slice input = slice_of((const char *)data + 2, size - 2);
    struct found whole = {.events = data[0] & 1, .read = true}, cut = {.events = data[0] & 1};

    run(&whole, input, size);
    run(&cut, input, (size_t)data[1] + 1);
    MUST(slice_eq(text_slice(&whole.text), text_slice(&cut.text)));
    text_free(&whole.text);
    text_free(&cut.text);
    return 0;
}
