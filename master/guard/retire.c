/*
 * retire.c - sockets that are to go are emptied first.
 *
 * Closing a listening socket resets what waits in its queue. So when there are to be fewer workers,
 *   at once     a small program on each group of sockets steers new connections to those that stay,
 *   after 3 s   (handshakes that were under way have ended) and when the queue is empty, the slot is accepted on no more,
 *   then        a moment later it is looked at once again and closed; its worker leaves with its last connection.
 * Where others may be in the group nobody can steer and connections never cease: after 3 s the guard closes its copy, the
 * worker takes what waits and closes the last one.
 * A slot that is wanted again meanwhile simply stays, with its worker and the connections there. The sockets of an entry
 * point that is removed or moved to another address go the same way, all together; those are hidden from new connections
 * (keep.c), because a program chooses within one address only.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "master/guard/guard.h"

#define EMPTYING_MOST (30 * GUARD_SECOND)
#define PROGRAM_MOST (2 * BOARD_WORKERS + 3)

/* ---- steering ---- */
/* Places in the kernel's group of the sockets that stay, in *places; how many. */
static unsigned staying(const struct guard *guard, const struct kept *kept, unsigned places[BOARD_WORKERS])
{
    unsigned count = 0;

    for (unsigned i = 0; i < kept->count; i++) {
        if (guard->workers[kept->order[i]].retire_ns == 0) {
            places[count++] = i;
        }
    }
    return count;
}

/* A result out of range makes the kernel choose as without a program. */
unsigned retire_program(struct sock_filter *code, const unsigned *places, unsigned count)
{
    unsigned n = 0;

    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
    code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count);
    for (unsigned i = 0; i < count; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, places[i]);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    return n;
}

static void steer(const struct guard *guard, struct kept *kept)
{
    struct sock_filter code[PROGRAM_MOST];
    unsigned places[BOARD_WORKERS];
    unsigned count = staying(guard, kept, places);
    bool needed = count > 0 && count < kept->count && !kept->shared;
    /* who left the port to us left its program too (share.c), which does not know our new sockets */
    bool leftover = kept->shared && guard->phase == GUARD_RUNNING;
    int any = kept->count > 0 ? kept->fds[kept->order[0]] : -1, rc = 0;

    if (needed) {
        struct sock_fprog program = {.filter = code};

        program.len = (unsigned short)retire_program(code, places, count);
        rc = setsockopt(any, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == -1 ? -errno
                                                                                                    : 0;
    } else if (any != -1 && (kept->steered || leftover)) {
        rc = share_release(any); /* after an upgrade it was only thought that there might be one */
    }
    if (rc < 0) {
        log_warn("Entry point %s: new connections cannot be steered to the workers that stay: %s", kept->name,
                 strerror(-rc));
    }
    kept->steered = needed && rc == 0;
}

void retire_steer(struct guard *guard)
{
    for (struct kept *kept = guard->kept; kept; kept = kept->next) {
        steer(guard, kept);
    }
}

/* ---- slots ---- */
static void revive(struct guard *guard, unsigned slot)
{
    struct child *worker = &guard->workers[slot];

    worker->retire_ns = 0;
    if (worker->let_go_ns != 0) {
        worker->let_go_ns = 0;
        keep_send_slot(guard, slot, slot);
    }
}

void retire_again(struct guard *guard, unsigned slot, int64_t now)
{
    if (guard->workers[slot].retire_ns != 0) {
        revive(guard, slot);
        guard->workers[slot].retire_ns = now;
    }
}

void retire_to(struct guard *guard, unsigned wanted, int64_t now)
{
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        struct child *worker = &guard->workers[slot];

        if (slot < wanted && worker->retire_ns != 0) {
            revive(guard, slot);
        } else if (slot >= wanted && worker->retire_ns == 0 &&
                   (worker->pid != 0 || keep_has_slot(guard, slot))) {
            worker->retire_ns = now;
        }
    }
    guard->wanted = wanted;
    retire_steer(guard);
}

static void let_go(struct guard *guard, unsigned slot, int64_t now)
{
    guard->workers[slot].let_go_ns = now;
    messages_unlisten(guard, &guard->workers[slot], 0, slot);
    lend_take_back(guard, slot);
}

static void close_slot(struct guard *guard, unsigned slot)
{
    struct control_message closed = {.kind = CONTROL_UNLISTEN, .worker = slot};

    keep_close_slot(guard, slot);
    child_send(&guard->master, &closed, NULL, 0);
    retire_steer(guard);
    log_debug("The sockets of slot %u are closed", slot);
}

/* The sockets are gone; the worker follows with its last connection. */
static void dismiss(struct guard *guard, unsigned slot)
{
    struct control_message stop = {.kind = CONTROL_STOP};
    struct child *worker = &guard->workers[slot];

    if (worker->pid == 0) {
        worker->retire_ns = worker->let_go_ns = 0;
        return;
    }
    const struct board_slab *slab = board_slab(guard->board, slot);

    if (!worker->told_to_leave && slab && !shards_owns(guard, slot) &&
        atomic_load_explicit(&slab->gauges[GAUGE_CONNECTIONS], memory_order_relaxed) <= 0 &&
        atomic_load_explicit(&slab->gauges[GAUGE_UDP_SESSIONS], memory_order_relaxed) <= 0) {
        worker->told_to_leave = true;
        child_send(worker, &stop, NULL, 0);
    }
}

static void tend_slot(struct guard *guard, unsigned slot, int64_t now)
{
    struct child *worker = &guard->workers[slot];

    if (!keep_has_slot(guard, slot)) {
        dismiss(guard, slot);
    } else if (worker->let_go_ns == 0) {
        int64_t since = now - worker->retire_ns;

        if (since >= (keep_slot_shared(guard, slot) ? GUARD_EMPTYING : EMPTYING_MOST)) {
            close_slot(guard,
                       slot); /* the worker's copy is the last one: it takes what waits and closes at once */
            let_go(guard, slot, now);
        } else if (since >= GUARD_EMPTYING && keep_slot_empty(guard, slot)) {
            let_go(guard, slot, now);
        }
    } else if (now - worker->let_go_ns >= GUARD_LETTING_GO) {
        if (keep_slot_empty(guard, slot)) {
            keep_unlisten_slot(
                guard, slot); /* others may have copies for a while: a worker that hangs, the master */
            close_slot(guard, slot);
        } else { /* somebody came in late: accept again, then look again */
            worker->let_go_ns = 0;
            keep_send_slot(guard, slot, slot);
        }
    }
}

/* ---- entry points that are gone or have moved ---- */
/* What is left of an old address. The master has to know how long the port is still ours. */
static void tend_set(struct guard *guard, struct kept *kept, int64_t now)
{
    struct control_message closed = {.kind = CONTROL_UNLISTEN, .worker = CONTROL_ALL_SLOTS};
    bool over = now - kept->leaving_ns >= EMPTYING_MOST;

    if (kept->let_go_ns == 0) {
        if (over || (now - kept->leaving_ns >= GUARD_EMPTYING && keep_set_empty(kept))) {
            kept->let_go_ns = now;
            messages_unlisten(guard, NULL, kept->id, CONTROL_ALL_SLOTS);
        }
    } else if (now - kept->let_go_ns >= GUARD_LETTING_GO) {
        (void)snprintf(closed.text, sizeof(closed.text), "%s", kept->name);
        log_debug("Entry point %s: its old sockets are closed", kept->name);
        if (kept->count > 0) {
            left_add(guard, kept->name, 0, kept->fds[kept->order[0]]);
        }
        keep_drop(guard, kept);
        child_send(&guard->master, &closed, NULL, 0);
    }
}

void retire_tend(struct guard *guard, int64_t now)
{
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        if (guard->workers[slot].retire_ns != 0) {
            tend_slot(guard, slot, now);
        }
    }
    for (struct kept *kept = guard->kept; kept;) {
        struct kept *next = kept->next;

        if (kept->leaving_ns != 0) {
            tend_set(guard, kept, now);
        }
        kept = next;
    }
}
