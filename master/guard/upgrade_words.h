/*
 * upgrade_words.h - what the two sides of an upgrade say to each other, besides the hand-over itself (handover.c): words of an
 * interface between builds, so they stay.
 */
#ifndef WEIR_MASTER_GUARD_UPGRADE_WORDS_H
#define WEIR_MASTER_GUARD_UPGRADE_WORDS_H

/* Environment of the new binary: "go:FD", or "test:FD" for the rehearsal; FD is the hand-over's descriptor. */
#define UPGRADE_VARIABLE "WEIR_HANDOVER"
/* What it prints when the rehearsal went well; its build follows, in hexadecimal. */
#define UPGRADE_PASSED "weir-handover passed, build "

#endif
