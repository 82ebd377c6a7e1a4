/*
 * main.c - the one entry of the one binary: picks the face by the first argument.
 *
 * A first argument that is no known face, or begins with '-', belongs to the guard: `weir --api` runs the router.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/slice.h"
#include "common/face.h"
#include "common/schema/schema.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text; /* NULL: not for users */
} faces[] = {
    {"master", face_master, NULL},
    {"worker", face_worker, NULL},
    {"check", face_check,
     "check [flags]                       validate everything; exits 1 if it cannot be served, 2 if a part "
     "is left "
     "out"},
    {"explain", face_explain,
     "explain [flags] METHOD URL [-H H]... say which router serves a request, and why the others do not"},
    {"config", face_config,
     "config [flags]                      print the resolved dynamic configuration as JSON"},
    {"whoami", face_whoami,
     "whoami --port N [--name X] [--udp]  a small backend that answers with what it got"},
    {"healthcheck", face_healthcheck,
     "healthcheck [--ready] [flags]       ask /ping (or /ready) of the running weir, exit 0 when it is well"},
    {"status", face_status,
     "status [--json] [--pid N]           print how the running weir lives: processes, generations, "
     "counters"},
    {"reference", face_reference,
     "reference                           print the reference of every option (Markdown)"},
    {"crds", face_crds,
     "crds [GROUP]                        print the custom resource definitions for Kubernetes (YAML)"},
    {"version", face_version, "version                             print version and libraries"},
};

static int usage(void)
{
    puts("weir - an edge router that speaks Traefik's configuration\n\n"
         "usage: weir [flags]                      run; flags as Traefik's: --entryPoints.web.address=:80 "
         "...\n");
    for (size_t i = 0; i < ARRAY_LEN(faces); i++) {
        if (faces[i].text) {
            printf("       weir %s\n", faces[i].text);
        }
    }
    puts("\nEvery option is in docs/reference.md and in `weir reference`.");
    return 0;
}

static int unknown(const char *name)
{
    const char *names[ARRAY_LEN(faces) + 1];
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(faces); i++) {
        if (faces[i].text) {
            names[count++] = faces[i].name;
        }
    }
    names[count] = NULL;

    const char *nearest = schema_nearest_of(names, slice_cstr(name));

    (void)fprintf(stderr, "weir: unknown command \"%s\"%s%s%s (try weir --help)\n", name,
                  nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return 1;
}

static bool asks_for_version(const char *argument)
{
    return strcmp(argument, "--version") == 0 || strcmp(argument, "-v") == 0;
}

/* Wherever it stands, as with Traefik. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return argc > 1 && strcmp(argv[1], "help") == 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        bool help = asks_for_help(argc, argv);

        if (help && (argv[1][0] == '-' || argc == 2)) {
            return usage();
        }
        for (size_t i = 0; i < ARRAY_LEN(faces); i++) {
            if (strcmp(argv[1], faces[i].name) == 0) {
                if (help && faces[i].text) {
                    return printf("usage: weir %s\n", faces[i].text) < 0;
                }
                return faces[i].run(argc - 2, argv + 2);
            }
        }
        if (help) {
            return usage();
        }
        if (argc == 2 && asks_for_version(argv[1])) {
            return face_version(0, argv + 2);
        }
        if (argv[1][0] != '-') {
            return unknown(argv[1]);
        }
    }
    return face_guard(argc - 1, argv + 1);
}
