/*
 * h2_engine.c - see h2_engine.h.
 */
#include "worker/h2_engine.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "worker/head_write.h"
#include "worker/worker.h"

/* What serves nobody costs calm; it comes back with time, and with every frame of an answer, because windows and probes of
 * a client that reads come with those. */
#define CALM_MOST 4000
#define CALM_PER_SECOND 200
#define CALM_RESET 5
#define CALM_SETTINGS 20
#define CALM_PING 2
#define CALM_WINDOW 1
#define CALM_EMPTY_DATA 4
#define CALM_OTHER 2

/* ---- memory ---- */
static void *count_malloc(size_t size, void *worker)
{
    (void)budget_took(&((struct worker *)worker)->budget, size); /* looked at with the next buffer */
    return malloc(size);
}

static void *count_calloc(size_t count, size_t size, void *worker)
{
    (void)budget_took(&((struct worker *)worker)->budget, count * size);
    return calloc(count, size);
}

static void *count_realloc(void *memory, size_t size, void *worker)
{
    (void)budget_took(&((struct worker *)worker)->budget, size);
    return realloc(memory, size);
}

static void plain_free(void *memory, void *worker)
{
    (void)worker;
    free(memory);
}

nghttp2_mem h2_memory(struct worker *worker)
{
    return (nghttp2_mem){worker, count_malloc, plain_free, count_calloc, count_realloc};
}

/* ---- calm ---- */
void h2_calm_add(struct h2_calm *calm, int more)
{
    calm->left = calm->left + more < CALM_MOST ? calm->left + more : CALM_MOST;
}

bool h2_calm_take(struct h2_calm *calm, int cost, int64_t now_ns)
{
    int64_t back = (now_ns - calm->since_ns) / (INT64_C(1000000000) / CALM_PER_SECOND);

    if (calm->since_ns == 0 || back >= CALM_MOST) {
        calm->left = CALM_MOST;
        calm->since_ns = now_ns;
    } else if (back > 0) {
        h2_calm_add(calm, (int)back);
        calm->since_ns += back * (INT64_C(1000000000) / CALM_PER_SECOND);
    }
    calm->left -= cost;
    return calm->left >= 0;
}

int h2_calm_cost(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ? CALM_EMPTY_DATA : 0;
    case NGHTTP2_HEADERS:
        return 0;
    case NGHTTP2_RST_STREAM:
        return CALM_RESET;
    case NGHTTP2_SETTINGS:
        return frame->hd.flags & NGHTTP2_FLAG_ACK ? 0 : CALM_SETTINGS;
    case NGHTTP2_PING:
        return CALM_PING;
    case NGHTTP2_WINDOW_UPDATE:
        return CALM_WINDOW;
    default:
        return CALM_OTHER;
    }
}

int h2_calm_cost_sent(const nghttp2_frame *frame)
{
    if (frame->hd.type != NGHTTP2_RST_STREAM) {
        return 0;
    }
    switch (frame->rst_stream.error_code) {
    case NGHTTP2_PROTOCOL_ERROR:
    case NGHTTP2_FLOW_CONTROL_ERROR:
    case NGHTTP2_STREAM_CLOSED:
    case NGHTTP2_FRAME_SIZE_ERROR:
        return CALM_RESET;
    default:
        return 0;
    }
}

/* ---- fields ---- */
void h2_name_canonical(char *name, size_t len)
{
    bool upper = true;

    for (size_t i = 0; i < len; i++) {
        if (upper && name[i] >= 'a' && name[i] <= 'z') {
            name[i] = (char)(name[i] - 'a' + 'A');
        }
        upper = name[i] == '-';
    }
}

nghttp2_nv h2_pair(struct slice name, struct slice value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len, value.len,
                        NGHTTP2_NV_FLAG_NONE};
}

struct slice h2_number(uint64_t number, char *space, size_t size)
{
    size_t at = size;

    do {
        space[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return slice_of(space + at, size - at);
}

size_t h2_put_fields(nghttp2_nv *to, const struct headers *headers, uint64_t skip, uint64_t *written)
{
    size_t count = 0;

    for (size_t i = 0; i < headers->count; i++) {
        const struct header *item = &headers->items[i];

        if ((item->flags & (HEADER_REMOVED | HEADER_HOP_BY_HOP) && item->id != HEADER_TRAILER) ||
            item->flags & HEADER_REMOVED || (skip & HEADER_BIT(item->id) & ~UINT64_C(1)) ||
            !header_name_valid(item->name) || !header_value_valid(item->value)) {
            continue;
        }
        *written |= HEADER_BIT(item->id);
        to[count++] = h2_pair(item->name, slice_trim(item->value)); /* RFC 9113, 8.2.1: no blanks around it */
    }
    return count;
}

/* ---- writing ---- */
bool h2_gather(nghttp2_session *engine, struct stage *stage)
{
    while (stage->len < H2_WRITE_SIZE) {
        const uint8_t *frame;
        ssize_t n = nghttp2_session_mem_send(engine, &frame);

        if (n < 0) {
            log_debug("an HTTP/2 connection ends: %s", nghttp2_strerror((int)n));
            return false;
        }
        if (n == 0) {
            break;
        }
        stage_put(stage, slice_of((const char *)frame, (size_t)n));
    }
    return true;
}
