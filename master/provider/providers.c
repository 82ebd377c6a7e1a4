/*
 * providers.c - the list of providers as an array, from PROVIDERS in provider.h.
 */
#include "master/provider/provider.h"

const struct provider *const providers[PROVIDER_COUNT] = {
#define PROVIDER(identifier) &provider_##identifier,
    PROVIDERS(PROVIDER)
#undef PROVIDER
};
