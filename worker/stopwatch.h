/*
 * stopwatch.h - measures the laps of the loop (shm/laps.h) at a price that requests do not feel.
 *
 * The clock is read once in LAP_CALLS callbacks and at the end of a turn: some 20 ns for about one request. Whoever does
 * something that should show by its own name ends the lap before and behind it.
 *
 * On a busy machine others get the CPU in the middle of a lap, and on the wall it looks long. So slow laps are judged by
 * the thread's CPU time too. That clock is a system call (0.2 to 0.5 us), too dear to read at every beginning: it is
 * read when the last reading is older than CPU_READ_NS, so a slow lap is charged with at most that much of the lap before.
 */
#ifndef WEIR_WORKER_STOPWATCH_H
#define WEIR_WORKER_STOPWATCH_H

#include "common/base/process.h"
#include "shm/laps.h"

/* No callback takes longer than 2 ms (I4). What grows with the number of connections, sockets or messages is done in
 * pieces: it looks at the clock after each item, and goes on in a later turn of the loop. */
#define PIECE_NS INT64_C(500000)

static inline int64_t piece_begin(void)
{
    return process_clock_ns() + PIECE_NS;
}

static inline bool piece_is_over(int64_t piece)
{
    return process_clock_ns() >= piece;
}

struct stopwatch {
    struct laps *laps;
    int64_t began_ns;
    int64_t cpu_ns, cpu_read_ns; /* CPU time used up to then */
    uint32_t kinds;
    uint32_t calls;
};

/* Starts a lap; now_ns: monotonic, as just read. */
void stopwatch_begin(struct stopwatch *watch, int64_t now_ns);
/* Ends the lap, whatever was called in it; the next one begins. Nothing was called: the clock is not read. */
void stopwatch_lap(struct stopwatch *watch);

/* For a callback that may go on for a while: it has gone on for a piece of time, or those before it in this lap have. */
static inline bool stopwatch_is_over(const struct stopwatch *watch)
{
    return process_clock_ns() - watch->began_ns >= PIECE_NS;
}

/* A callback of that kind has returned. */
static inline void stopwatch_called(struct stopwatch *watch, unsigned kind)
{
    watch->kinds |= 1u << kind;
    if (++watch->calls >= LAP_CALLS) {
        stopwatch_lap(watch);
    }
}

/* Something of that kind ends here that is to stand alone. */
static inline void stopwatch_end(struct stopwatch *watch, unsigned kind)
{
    watch->kinds |= 1u << kind;
    stopwatch_lap(watch);
}

#endif
