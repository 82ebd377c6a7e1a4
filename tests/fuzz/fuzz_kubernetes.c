/*
 * fuzz_kubernetes.c - arbitrary manifests through both Kubernetes providers and the resolver. The first byte picks options.
 *
 * Whatever the objects hold: a load ends with a model, every name in it is usable, and resolving it ends too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "master/provider/provider.h"
#include "master/resolve/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static char path[] = "/tmp/fuzz_kubernetes_XXXXXX.yaml";

static void remove_file(void)
{
    unlink(path);
}

static void write_file(const uint8_t *data, size_t size)
{
    static bool made;
    FILE *file;

    if (!made) {
        close(mkstemps(path, 5));
        atexit(remove_file);
        log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, NULL);
        made = true;
    }
    file = fopen(path, "we");
    MUST(file != NULL);
    MUST(fwrite(data, 1, size, file) == size);
    fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct entry_point point;
    static struct slice name = {"web", 3};
    uint8_t bits = size ? data[0] : 0;
    struct kubernetes_provider options = {
        .manifests = slice_cstr(path),
        .strict_prefix_matching = bits & 1,
        .allow_empty_services = bits & 2,
        .allow_external_name_services = bits & 4,
        .native_lb_by_default = bits & 8,
        .disable_cluster_scope_resources = bits & 16,
        .allow_cross_namespace = bits & 32,
    };
    struct static_config config = {.providers.kubernetes_crd = &options,
                                   .providers.kubernetes_ingress = &options,
                                   .entry_points = {.keys = &name, .values = &point, .count = 1}};
    struct provider_state *states[2] = {NULL};
    struct model *models[2] = {NULL}, *resolved;
    struct error why;

    point.address = SLICE(":80");
    write_file(size ? data + 1 : data, size ? size - 1 : 0);
    MUST(provider_kubernetes_crd.load(&config, &states[0], &models[0], &why) == 0);
    MUST(provider_kubernetes_ingress.load(&config, &states[1], &models[1], &why) == 0);
    for (size_t i = 0; i < models[1]->router_count; i++) {
        MUST(models[1]->routers[i]->element.name.len > 0);
    }
    resolved = resolve(&config, models, 2);
    model_free(resolved);
    for (size_t i = 0; i < 2; i++) {
        model_free(models[i]);
    }
    provider_kubernetes_crd.free_state(states[0]);
    provider_kubernetes_ingress.free_state(states[1]);
    return 0;
}
