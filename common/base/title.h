/*
 * title.h - what `ps` shows: a process writes its title over the memory of its own arguments.
 */
#ifndef WEIR_COMMON_BASE_TITLE_H
#define WEIR_COMMON_BASE_TITLE_H

/* Call once, early, before anything keeps a pointer into argv or the environment. Moves the environment to the heap
 * and returns a copy of the arguments (argc of them, ended by NULL) that stays good; the caller's argv does not. */
char **title_init(int argc, char **argv);

/* Sets the title for `ps` and (cut to 15 bytes) the name that `top` and the kernel's messages show. */
void title_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
