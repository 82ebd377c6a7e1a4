/*
 * element.h - what weir knows about each object of a dynamic configuration besides its options.
 */
#ifndef WEIR_COMMON_MODEL_ELEMENT_H
#define WEIR_COMMON_MODEL_ELEMENT_H

#include "common/schema/schema.h"

/* Where an object was written. */
struct origin {
    struct slice file;   /* "routes.yml"; empty when it came from an API server */
    uint32_t line;       /* 0 when not known */
    struct slice object; /* "IngressRoute default/whoami"; empty for files */
};

enum element_status { ELEMENT_ENABLED, ELEMENT_WARNING, ELEMENT_DISABLED };

struct element {
    struct slice name;     /* "whoami@file" once merged; before that without the provider */
    struct slice provider; /* "file", "kubernetescrd", "internal" */
    struct origin origin;
    enum element_status status;
    struct list errors;  /* struct slice, in the order found */
    struct list used_by; /* struct slice: router names (services, middlewares) */
};

#endif
