/*
 * version.c - `weir version`: which build this is, and on which libraries it runs.
 */
#include <ares.h>
#include <cjson/cJSON.h>
#include <openssl/base.h>
#include <pcre2.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <uv.h>
#include <yaml.h>

#include "common/face.h"
#include "master/tools/common.h"
#include "shm/page.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "unknown" /* the Makefile gives it from the file VERSION */
#endif

#ifndef WEIR_BORINGSSL
#define WEIR_BORINGSSL "of unknown making" /* the Makefile knows */
#endif

const char *tool_version(void)
{
    return WEIR_VERSION;
}

int face_version(int argc, char **argv)
{
    struct utsname system = {.sysname = "", .machine = ""};
    char pcre2[64] = "";

    (void)argv;
    if (argc > 0) {
        (void)fputs("weir version: takes no arguments\n", stderr);
        return 2;
    }
    (void)uname(&system);
    (void)pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    (void)printf("Version:      %s\n", tool_version());
    (void)printf("Build:        %016llx\n", (unsigned long long)build_id());
    (void)printf("OS/Arch:      %s/%s\n", system.sysname, system.machine);
    (void)printf("Libraries:    libuv %s, libyaml %s, cJSON %s, PCRE2 %s, c-ares %s\n", uv_version_string(),
                 yaml_get_version_string(), cJSON_Version(), pcre2, ares_version(NULL));
    (void)printf("TLS:          BoringSSL (%s), API %d\n", WEIR_BORINGSSL, BORINGSSL_API_VERSION);
    return 0;
}
