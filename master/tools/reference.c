/*
 * reference.c - `weir reference`: the page of all options, made from the tables that decode them.
 *
 * docs/reference.md is what this prints; nobody edits that file.
 */
#include <stdio.h>

#include "common/base/text.h"
#include "common/face.h"
#include "common/model/dynamic.h"
#include "common/model/static.h"

static const char head[] =
    "# Options\n"
    "\n"
    "This page is printed by `weir reference`, from the tables that decode the options.\n"
    "\n"
    "*Not yet served*: the option (and all below it) is understood and checked, one warning names it, and "
    "nothing more "
    "happens. "
    "*Accepted without effect*: it will stay so. *Deprecated*: a warning says what to write instead.\n"
    "\n"
    "Durations are written `10s`, `1h30m`, `250ms`; a bare number counts seconds. `<name>` stands for a name "
    "of your "
    "choice, `[n]` for a position in a list.\n"
    "\n"
    "## Static configuration\n"
    "\n"
    "Read once at the start (and again on SIGHUP) from one of three forms. The first that is there counts "
    "alone, the "
    "settings of the others are ignored and named in the log:\n"
    "\n"
    "1. a file: `--configFile=PATH`, `WEIR_CONFIGFILE`, `TRAEFIK_CONFIGFILE`, else the first of "
    "`/etc/weir/weir`, "
    "`./weir`, `/etc/traefik/traefik`, `$XDG_CONFIG_HOME/traefik`, `$HOME/.config/traefik`, `./traefik`, "
    "each with the "
    "endings `.toml`, `.yaml`, `.yml`;\n"
    "2. flags: `--entryPoints.web.address=:80`, in any letter case; a switch may stand alone (`--ping`);\n"
    "3. environment variables: `TRAEFIK_ENTRYPOINTS_WEB_ADDRESS=:80` or `WEIR_ENTRYPOINTS_WEB_ADDRESS=:80`; "
    "where both "
    "are there the second counts.\n"
    "\n"
    "Without any entry point there is one called `http` on `:80`. When `ping`, `api.insecure`, "
    "`metrics.prometheus` or "
    "`providers.rest.insecure` need the entry point `traefik` and it is not written, it is made on `:8080`.\n"
    "\n";

static const char dynamic_head[] = "\n"
                                   "## Dynamic configuration\n"
                                   "\n"
                                   "Read from files (`providers.file`) and, with the same options below "
                                   "other names, from custom resources of "
                                   "Kubernetes; changes are taken over while weir runs. An object with an "
                                   "error is left out and named, all others "
                                   "serve.\n"
                                   "\n";

static const char layer4_head[] =
    "\n"
    "### TCP, UDP, TLS\n"
    "\n"
    "UDP and TLS are served. TCP is understood, checked and shown by `weir config`, "
    "and not yet served: each object says so, and its routers are disabled.\n"
    "\n";

int face_reference(int argc, char **argv)
{
    struct text page;
    int status;

    (void)argv;
    if (argc > 0) {
        fprintf(stderr, "weir reference: takes no arguments\n");
        return 2;
    }
    text_init(&page);
    text_add_cstr(&page, head);
    schema_reference(&static_schema, "", &page);
    text_add_cstr(&page, dynamic_head);
    schema_reference(&http_schema, "http", &page);
    text_add_cstr(&page, layer4_head);
    schema_reference(&tcp_section_schema, "tcp", &page);
    schema_reference(&udp_section_schema, "udp", &page);
    schema_reference(&tls_section_schema, "tls", &page);
    status = fwrite(page.ptr, 1, page.len, stdout) == page.len && fflush(stdout) == 0 ? 0 : 1;
    text_free(&page);
    return status;
}
