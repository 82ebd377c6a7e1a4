/*
 * shards.c - the sockets of UDP entry points, and which worker has which of them.
 *
 * An entry point has UDP_SHARDS sockets on one address for as long as it lives, however many workers there are. The kernel
 * chooses among them by a hash of both addresses of a datagram, and because none ever joins or leaves, a client's
 * datagrams always meet the same one. Each is read by one worker, which has its sessions too.
 *
 * owner    shard number modulo wanted workers; another one that serves while that one does not live
 * planned  the number of workers changes, a worker is back: the old owner gets one end of a channel (a lane) and sends its
 *          sessions there, sockets to servers included; the new one gets the shard and the other end, and begins to read
 *          when the lane has ended. Datagrams wait in the shard meanwhile. The guard has closed both ends by then: it
 *          never receives a descriptor that a worker sent
 * death    the next owner gets the shard alone: sessions begin anew
 * upgrade  to another build: old owners get their lanes before execve(), to be used when they are told to finish; the
 *          other ends are part of the hand-over (handover.c)
 *
 * A worker that hangs keeps its shards until it is replaced: two that read would tear clients from their sessions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/guard/guard.h"

/* ---- sets ---- */
struct sharded *shards_new(struct guard *guard, const char *name, uint64_t id)
{
    struct sharded *set = xcalloc(1, sizeof(*set));

    (void)snprintf(set->name, sizeof(set->name), "%s", name);
    set->id = id;
    for (unsigned i = 0; i < UDP_SHARDS; i++) {
        set->shards[i] = (struct shard){.fd = -1, .lane = -1, .owner = -1};
    }
    set->next = guard->sharded;
    guard->sharded = set;
    return set;
}

static struct sharded *find(struct guard *guard, const char *name)
{
    for (struct sharded *set = guard->sharded; set; set = set->next) {
        if (strcmp(set->name, name) == 0) {
            return set;
        }
    }
    return NULL;
}

static void close_lane(struct shard *shard)
{
    if (shard->lane != -1) {
        close(shard->lane);
        shard->lane = -1;
    }
}

static void set_free(struct sharded *set)
{
    for (unsigned i = 0; i < UDP_SHARDS; i++) {
        close_lane(&set->shards[i]);
        if (set->shards[i].fd != -1) {
            close(set->shards[i].fd);
        }
    }
    free(set);
}

void shards_remove(struct guard *guard, const char *name)
{
    for (struct sharded **link = &guard->sharded; *link; link = &(*link)->next) {
        struct sharded *set = *link;

        if (strcmp(set->name, name) == 0) {
            struct control_message drop = {.kind = CONTROL_UDP_DROP, .number = set->id};

            for (unsigned slot = 0; slot < guard->slots; slot++) {
                struct control_message copy = drop;

                if (guard->workers[slot].pid != 0) {
                    child_send(&guard->workers[slot], &copy, NULL, 0);
                }
            }
            left_add(guard, set->name, CONTROL_UDP, set->shards[0].fd);
            *link = set->next;
            set_free(set);
            return;
        }
    }
}

void shards_add(struct guard *guard, const char *name, unsigned first, const int *fds, size_t count)
{
    struct sharded *set;

    if (first == 0) { /* the first of a new set: an older one of that name is over */
        shards_remove(guard, name);
        (void)shards_new(guard, name, ++guard->sets);
    }
    set = find(guard, name);
    for (size_t i = 0; i < count; i++) {
        if (set && first + i < UDP_SHARDS && set->shards[first + i].fd == -1) {
            set->shards[first + i].fd = fds[i];
        } else {
            close(fds[i]);
        }
    }
}

void shards_close_all(struct guard *guard)
{
    while (guard->sharded) {
        struct sharded *set = guard->sharded;

        guard->sharded = set->next;
        set_free(set);
    }
}

/* One of each is enough to know what there is. */
void shards_send_master(struct guard *guard)
{
    for (const struct sharded *set = guard->sharded; set; set = set->next) {
        struct control_message message = {.kind = CONTROL_LISTEN, .flags = CONTROL_UDP};

        if (set->shards[0].fd != -1) {
            (void)snprintf(message.text, sizeof(message.text), "%s", set->name);
            child_send(&guard->master, &message, &set->shards[0].fd, 1);
        }
    }
}

/* ---- owners ---- */
static bool owner_lives(const struct guard *guard, const struct shard *shard)
{
    return shard->owner >= 0 && guard->workers[shard->owner].pid == shard->owner_pid &&
           guard->workers[shard->owner].out.channel != -1;
}

bool shards_owns(const struct guard *guard, unsigned slot)
{
    for (const struct sharded *set = guard->sharded; set; set = set->next) {
        for (unsigned i = 0; i < UDP_SHARDS; i++) {
            if (set->shards[i].owner == (int)slot && owner_lives(guard, &set->shards[i])) {
                return true;
            }
        }
    }
    return false;
}

/* -1: nobody serves. */
static int choose(struct guard *guard, unsigned number, int64_t now)
{
    for (unsigned i = 0; i < guard->wanted; i++) {
        unsigned slot = (number + i) % guard->wanted;

        if (lend_serves(guard, slot, now)) {
            return (int)slot;
        }
    }
    return -1;
}

static void tell_giver(struct guard *guard, const struct sharded *set, unsigned number, int lane)
{
    struct control_message give = {.kind = CONTROL_UDP_GIVE, .number = set->id, .places = {(uint16_t)number}};

    child_send(&guard->workers[set->shards[number].owner], &give, &lane, 1);
}

static void move(struct guard *guard, struct sharded *set, unsigned number, unsigned to)
{
    struct control_message take = {.kind = CONTROL_UDP_TAKE, .number = set->id, .worker = number};
    struct shard *shard = &set->shards[number];
    struct error why;
    int pair[2] = {shard->lane, -1};

    if (owner_lives(guard, shard)) {
        if (control_pair(pair, &why) < 0) {
            log_error("%s", why.text); /* the next turn tries again */
            return;
        }
        tell_giver(guard, set, number, pair[1]);
        close(pair[1]);
    }
    int fds[2] = {shard->fd, pair[0]};

    (void)snprintf(take.text, sizeof(take.text), "%s", set->name);
    child_send(&guard->workers[to], &take, fds, pair[0] != -1 ? 2 : 1);
    if (pair[0] != -1) {
        close(pair[0]);
    }
    *shard =
        (struct shard){.fd = shard->fd, .lane = -1, .owner = (int)to, .owner_pid = guard->workers[to].pid};
}

static void tend_shard(struct guard *guard, struct sharded *set, unsigned number, bool old_read, int64_t now)
{
    struct shard *shard = &set->shards[number];
    bool lives = owner_lives(guard, shard);
    unsigned home = number % guard->wanted;

    if (shard->fd == -1 || (lives && shard->owner == (int)home) || (shard->lane != -1 && old_read)) {
        return;
    }
    int to = lend_serves(guard, home, now) ? (int)home : lives ? -1 : choose(guard, number, now);

    if (to >= 0) {
        move(guard, set, number, (unsigned)to);
    }
}

void shards_tend(struct guard *guard, int64_t now)
{
    bool old_read = upgrade_old_open(guard); /* they read until they are told to finish */

    for (struct sharded *set = guard->sharded; set && guard->wanted > 0; set = set->next) {
        for (unsigned i = 0; i < UDP_SHARDS; i++) {
            tend_shard(guard, set, i, old_read, now);
        }
    }
}

/* Nothing of ours does that, but a worker that somebody took over can: a connected shard hears nobody else. */
void shards_mend(struct guard *guard)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    for (struct sharded *set = guard->sharded; set; set = set->next) {
        for (unsigned i = 0; i < UDP_SHARDS; i++) {
            struct sockaddr_storage peer;
            socklen_t size = sizeof(peer);

            if (set->shards[i].fd != -1 &&
                getpeername(set->shards[i].fd, (struct sockaddr *)&peer, &size) == 0) {
                (void)connect(set->shards[i].fd, &nobody, sizeof(nobody));
                log_warn("Entry point %s: UDP socket %u was connected to somebody and was opened again",
                         set->name, i);
            }
        }
    }
}

/* ---- another build ---- */
/* In as few messages as it takes, because they must all fit into the channel. */
static void announce_set(struct guard *guard, struct sharded *set, unsigned slot)
{
    struct control_message give = {.kind = CONTROL_UDP_GIVE, .number = set->id, .flags = CONTROL_AT_THE_END};
    int lanes[CONTROL_FDS];
    size_t count = 0;

    for (unsigned i = 0; i < UDP_SHARDS; i++) {
        struct shard *shard = &set->shards[i];
        struct error why;
        int pair[2];

        if (shard->owner == (int)slot && owner_lives(guard, shard) && control_pair(pair, &why) == 0) {
            close_lane(shard);
            shard->lane = pair[0];
            give.places[count] = (uint16_t)i;
            lanes[count++] = pair[1];
        }
        if (count == CONTROL_FDS || (count > 0 && i + 1 == UDP_SHARDS)) {
            child_send(&guard->workers[slot], &give, lanes, count);
            while (count > 0) {
                close(lanes[--count]);
            }
        }
    }
}

void shards_announce(struct guard *guard, bool on)
{
    for (struct sharded *set = guard->sharded; set; set = set->next) {
        for (unsigned i = 0; i < UDP_SHARDS && !on; i++) {
            if (set->shards[i].owner >= 0) {
                close_lane(&set->shards[i]);
            }
        }
        for (unsigned slot = 0; slot < guard->slots && on; slot++) {
            announce_set(guard, set, slot);
        }
    }
}

void shards_disown(struct guard *guard)
{
    for (struct sharded *set = guard->sharded; set; set = set->next) {
        for (unsigned i = 0; i < UDP_SHARDS; i++) {
            set->shards[i].owner = -1;
            set->shards[i].owner_pid = 0;
        }
    }
}
