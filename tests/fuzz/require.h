/*
 * require.h - what a target demands of what it is given: a finding names the place and what did not hold.
 */
#ifndef WEIR_TESTS_FUZZ_REQUIRE_H
#define WEIR_TESTS_FUZZ_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#endif
