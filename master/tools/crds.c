/*
 * crds.c - `weir crds [GROUP]`: the custom resource definitions, made from the tables that decode the objects.
 *
 * helm/weir/crds/ holds what this prints; nobody edits those files.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "common/face.h"
#include "master/provider/kubernetes_crd_kinds.h"

#define GROUP "traefik.io"
#define GROUP_OLD "traefik.containo.us"
#define SPEC_INDENT 12

/* Conditions as everywhere in Kubernetes. */
static const char status[] = "          status:\n"
                             "            description: What weir made of it.\n"
                             "            properties:\n"
                             "              conditions:\n"
                             "                items:\n"
                             "                  properties:\n"
                             "                    lastTransitionTime:\n"
                             "                      format: date-time\n"
                             "                      type: string\n"
                             "                    message:\n"
                             "                      maxLength: 32768\n"
                             "                      type: string\n"
                             "                    observedGeneration:\n"
                             "                      format: int64\n"
                             "                      minimum: 0\n"
                             "                      type: integer\n"
                             "                    reason:\n"
                             "                      maxLength: 1024\n"
                             "                      minLength: 1\n"
                             "                      type: string\n"
                             "                    status:\n"
                             "                      enum:\n"
                             "                      - \"True\"\n"
                             "                      - \"False\"\n"
                             "                      - Unknown\n"
                             "                      type: string\n"
                             "                    type:\n"
                             "                      maxLength: 316\n"
                             "                      type: string\n"
                             "                  required:\n"
                             "                  - lastTransitionTime\n"
                             "                  - message\n"
                             "                  - reason\n"
                             "                  - status\n"
                             "                  - type\n"
                             "                  type: object\n"
                             "                type: array\n"
                             "                x-kubernetes-list-map-keys:\n"
                             "                - type\n"
                             "                x-kubernetes-list-type: map\n"
                             "            type: object\n";

struct column {
    const char *name, *type, *path;
    bool wide; /* in kubectl get -o wide */
};

static void add_column(const struct column *column, struct text *out)
{
    text_printf(out, "    - jsonPath: %s\n      name: %s\n", column->path, column->name);
    if (column->wide) {
        text_add_cstr(out, "      priority: 1\n");
    }
    text_printf(out, "      type: %s\n", column->type);
}

/* What kubectl get shows. */
static void add_columns(const struct crd_kind *kind, struct text *out)
{
    static const struct column first[] = {
        {"Accepted", "string", ".status.conditions[?(@.type==\"Accepted\")].status", false},
        {"Reason", "string", ".status.conditions[?(@.type==\"Accepted\")].reason", false},
    };
    static const struct column last[] = {
        {"Message", "string", ".status.conditions[?(@.type==\"Accepted\")].message", true},
        {"Age", "date", ".metadata.creationTimestamp", false},
    };
    static const struct column points = {"Entry Points", "string", ".spec.entryPoints", false};
    static const struct column rule = {"Rule", "string", ".spec.routes[0].match", true};

    text_add_cstr(out, "    additionalPrinterColumns:\n");
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        add_column(&first[i], out);
    }
    if (kind->has_points) {
        add_column(&points, out);
    }
    if (kind->has_rules) {
        add_column(&rule, out);
    }
    for (size_t i = 0; i < ARRAY_LEN(last); i++) {
        add_column(&last[i], out);
    }
}

static void add_definition(const struct crd_kind *kind, const char *group, struct text *out)
{
    text_printf(out,
                "---\n"
                "apiVersion: apiextensions.k8s.io/v1\n"
                "kind: CustomResourceDefinition\n"
                "metadata:\n"
                "  name: %s.%s\n"
                "spec:\n"
                "  group: %s\n"
                "  names:\n"
                "    kind: %s\n"
                "    listKind: %sList\n"
                "    plural: %s\n"
                "    singular: %s\n"
                "  scope: Namespaced\n"
                "  versions:\n"
                "  - name: v1alpha1\n"
                "    served: true\n"
                "    storage: true\n"
                "    subresources:\n"
                "      status: {}\n",
                kind->plural, group, group, kind->name, kind->name, kind->plural, kind->singular);
    add_columns(kind, out);
    text_printf(out,
                "    schema:\n"
                "      openAPIV3Schema:\n"
                "        description: \"%s\"\n"
                "        properties:\n"
                "          apiVersion:\n"
                "            type: string\n"
                "          kind:\n"
                "            type: string\n"
                "          metadata:\n"
                "            type: object\n"
                "          spec:\n",
                kind->text);
    schema_openapi(kind->spec, kind->parts, kind->part_count, SPEC_INDENT, out);
    text_add_cstr(out, status);
    text_add_cstr(out, "        required:\n"
                       "        - metadata\n"
                       "        - spec\n"
                       "        type: object\n");
}

static void add_group(const char *group, bool old, struct text *out)
{
    for (size_t i = 0; i < crd_kind_count; i++) {
        if (!old || crd_kinds[i].old_group) {
            add_definition(&crd_kinds[i], group, out);
        }
    }
}

int face_crds(int argc, char **argv)
{
    bool all = argc == 0, current = all || strcmp(argv[0], GROUP) == 0;
    bool old = all || strcmp(argv[0], GROUP_OLD) == 0;
    struct text out;

    if (argc > 1 || !(current || old)) {
        fprintf(stderr, "weir crds: one of " GROUP " and " GROUP_OLD " is expected, or nothing for both\n");
        return 2;
    }
    text_init(&out);
    if (current) {
        add_group(GROUP, false, &out);
    }
    if (old) {
        add_group(GROUP_OLD, true, &out);
    }
    bool written = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;

    text_free(&out);
    return written ? 0 : 1;
}
