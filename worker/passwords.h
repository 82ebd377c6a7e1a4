/*
 * passwords.h - whether a password is the one that a hash was made of, without stopping the loop.
 *
 * Slow hashes are computed on a helper thread of their own, one after the other. That a password fits a hash is remembered
 * for a while, as a keyed hash of both with a key that this worker alone has; that one does not fit never is. Equal
 * questions at the same time are computed once.
 *
 * Not here: users (worker/middleware/basic_auth.c), hashes (common/http/password.h).
 */
#ifndef WEIR_WORKER_PASSWORDS_H
#define WEIR_WORKER_PASSWORDS_H

#include "common/base/error.h"
#include "common/base/slice.h"

struct worker;
struct exchange;

enum password_answer {
    PASSWORD_RIGHT,
    PASSWORD_WRONG,
    PASSWORD_LATER, /* decided() is called from the loop, unless the exchange ends before */
    PASSWORD_BUSY,  /* too many are waiting */
};

typedef void password_decided(struct exchange *ex, void *context, bool right);

/* counts: false for a user that there is not: takes as long, and is wrong. hash lives as long as the exchange. */
enum password_answer passwords_ask(struct exchange *ex, struct slice hash, struct slice password, bool counts,
                                   password_decided *decided, void *context);

/* It is remembered that the password fits. */
bool passwords_known(const struct exchange *ex, struct slice hash, struct slice password);

int passwords_start(struct worker *worker, struct error *why); /* before the sandbox closes */
void passwords_end(struct worker *worker);                     /* no decided() is called any more */

#endif
