/*
 * providers.c - the one list of providers, in the order in which they are asked.
 */
#include "master/provider/provider.h"

const struct provider *const providers[] = {&provider_file, &provider_kubernetes_crd,
                                            &provider_kubernetes_ingress, NULL};
