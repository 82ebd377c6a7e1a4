/*
 * test_static_load.c - file, flags or environment: which one counts, what is said about the others, what is derived,
 * and the words of every refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/net/addr.h"
#include "master/static/load.h"
#include "tests/unit/provider_helper.h"

#define ARGS_MAX 40

struct outcome {
    struct static_loaded loaded;
    struct text warnings, errors, points; /* one a line; "name address," for each entry point */
    struct error why;
    int rc;
};

static void add_lines(struct text *out, const struct list *list)
{
    const struct slice *items = list->items;

    text_init(out);
    text_add_cstr(out, "");
    for (size_t i = 0; i < list->count; i++) {
        text_printf(out, "%.*s\n", SLICE_ARG(items[i]));
    }
}

/* args: separated by blanks; environment: by line feeds. */
static void load(struct outcome *outcome, const char *args, const char *environment)
{
    char *argv[ARGS_MAX], *env[ARGS_MAX], *args_copy = strdup(args), *env_copy = strdup(environment);
    int argc = 0, count = 0;

    for (char *arg = strtok(args_copy, " "); arg; arg = strtok(NULL, " ")) {
        assert_true(argc < ARGS_MAX);
        argv[argc++] = arg;
    }
    for (char *variable = strtok(env_copy, "\n"); variable; variable = strtok(NULL, "\n")) {
        assert_true(count < ARGS_MAX - 1);
        env[count++] = variable;
    }
    env[count] = NULL;
    memset(outcome, 0, sizeof(*outcome));
    outcome->rc = static_load(argc, argv, env, &outcome->loaded, &outcome->why);
    add_lines(&outcome->warnings, &outcome->loaded.warnings);
    add_lines(&outcome->errors, &outcome->loaded.errors);
    text_init(&outcome->points);
    text_add_cstr(&outcome->points, "");
    for (size_t i = 0; i < outcome->loaded.config.entry_points.count; i++) {
        const struct entry_point *points = outcome->loaded.config.entry_points.values;
        text_printf(&outcome->points, "%.*s %.*s,", SLICE_ARG(outcome->loaded.config.entry_points.keys[i]),
                    SLICE_ARG(points[i].address));
    }
    free(args_copy);
    free(env_copy);
}

static void unload(struct outcome *outcome)
{
    text_free(&outcome->warnings);
    text_free(&outcome->errors);
    text_free(&outcome->points);
    static_unload(&outcome->loaded);
    static_unload(&outcome->loaded); /* harmless */
}

/* Every test runs in an empty folder that is HOME and the working directory. */
static char *folder, *before;

static int set_up(void **state)
{
    (void)state;
    before = get_current_dir_name();
    folder = directory_new();
    return chdir(folder);
}

static int tear_down(void **state)
{
    (void)state;
    int rc = chdir(before);

    directory_remove(folder);
    free(before);
    return rc;
}

/* ---- which form counts ---- */

static void one_form_counts(void **state)
{
    static const struct {
        const char *file, *text; /* written before, when not NULL */
        const char *args, *environment;
        enum static_form form;
        const char *points;
        const char *warning; /* part of one, or NULL for none */
    } cases[] = {
        {NULL, NULL, "", "", STATIC_NONE, "http :80,", NULL},
        {NULL, NULL, "--entryPoints.web.address=:81", "", STATIC_FLAGS, "web :81,", NULL},
        {NULL, NULL, "--ENTRYPOINTS.web.ADDRESS :81 --ping", "", STATIC_FLAGS, "traefik :8080,web :81,",
         NULL},
        {NULL, NULL, "", "TRAEFIK_ENTRYPOINTS_WEB_ADDRESS=:82", STATIC_ENVIRONMENT, "web :82,", NULL},
        {NULL, NULL, "", "WEIR_ENTRYPOINTS_WEB_ADDRESS=:82\nTRAEFIK_ENTRYPOINTS_WEB_ADDRESS=:83",
         STATIC_ENVIRONMENT, "web :82,", NULL},
        {NULL, NULL, "", "WEIR_ENTRYPOINTS_A_ADDRESS=:82\nTRAEFIK_ENTRYPOINTS_B_ADDRESS=:83",
         STATIC_ENVIRONMENT, "a :82,b :83,", NULL},
        {NULL, NULL, "",
         "TRAEFIK_SERVICE_HOST=10.0.0.1\nTRAEFIK_SERVICE_PORT=80\nTRAEFIK_PORT=tcp://10.0.0.1:80\n"
         "TRAEFIK_PORT_80_TCP=tcp://10.0.0.1:80\nTRAEFIK_PORT_80_TCP_ADDR=10.0.0.1\n"
         "TRAEFIK_API_SERVICE_HOST=10.0.0.1\nTRAEFIK_SERVICE_PORT_HTTP=80",
         STATIC_NONE, "http :80,", NULL},
        {NULL, NULL, "", "TRAEFIK_NONSENSE=1", STATIC_NONE, "http :80,", "TRAEFIK_NONSENSE"},
        {NULL, NULL, "--ping.manualRouting", "TRAEFIK_API=true\nTRAEFIK_LOG_LEVEL=DEBUG", STATIC_FLAGS,
         "http :80,",
         "the flags are the configuration, these variables are ignored: TRAEFIK_API, TRAEFIK_LOG_LEVEL"},
        {"traefik.yml", "entryPoints: {web: {address: ':84'}}\n", "", "", STATIC_FILE, "web :84,", NULL},
        {"traefik.toml", "[entryPoints]\n[entryPoints.web]\naddress = \":84\"\n", "", "", STATIC_FILE,
         "web :84,", NULL},
        {"traefik.yaml", "entrypoints: {web: {ADDRESS: ':84'}}\n", "", "", STATIC_FILE, "web :84,", NULL},
        {".config/traefik.yml", "entryPoints: {web: {address: ':84'}}\n", "", "HOME=.", STATIC_FILE,
         "web :84,", NULL},
        {"x/traefik.yml", "entryPoints: {web: {address: ':84'}}\n", "", "XDG_CONFIG_HOME=x", STATIC_FILE,
         "web :84,", NULL},
        {"weir.yml", "entryPoints: {web: {address: ':84'}}\n", "", "", STATIC_FILE, "web :84,", NULL},
        {"traefik.yml", "", "--api.insecure --log.level=DEBUG", "TRAEFIK_PING=true", STATIC_FILE, "http :80,",
         "these flags are ignored: --api.insecure, --log.level\n"},
        {"traefik.yml", "", "", "TRAEFIK_PING=true", STATIC_FILE, "http :80,",
         "these variables are ignored: TRAEFIK_PING\n"},
        {"my.yml", "ping: {}\n", "--configFile=my.yml", "", STATIC_FILE, "http :80,traefik :8080,", NULL},
        {"my.yml", "ping: {}\n", "--CONFIGFILE my.yml", "", STATIC_FILE, "http :80,traefik :8080,", NULL},
        {"my.yml", "ping: {}\n", "-configfile=$NAME.${KIND}", "NAME=my\nKIND=yml", STATIC_FILE,
         "http :80,traefik :8080,", NULL},
        {"my.yml", "ping: {}\n", "", "TRAEFIK_CONFIGFILE=my.yml", STATIC_FILE, "http :80,traefik :8080,",
         NULL},
        {"my.yml", "ping: {}\n", "", "WEIR_CONFIGFILE=my.yml", STATIC_FILE, "http :80,traefik :8080,", NULL},
        /* Traefik 1: flags hold beside the file, and before it */
        {"my.toml", "[entryPoints]\n[entryPoints.http]\naddress = \":84\"\n",
         "--configfile=my.toml --ping --logLevel=INFO --entryPoints.HTTP.address=:85", "", STATIC_FILE,
         "http :85,traefik :8080,", "logLevel: is deprecated"},
        {"my.toml", "defaultEntryPoints = [\"http\"]\n",
         "--configfile=my.toml --entryPoints.http.address=:85", "", STATIC_FILE, "http :85,",
         "my.toml:1:22: defaultEntryPoints: is deprecated"},
        {"my.toml", "", "--configfile=my.toml --KUBERNETES.manifests=. --entryPoints.http.address=:85", "",
         STATIC_FILE, "http :85,", "kubernetes: is deprecated"},
        {NULL, NULL, "--configFile=gone.yml --ping", "", STATIC_FLAGS, "http :80,traefik :8080,",
         "--configFile: there is no file"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome outcome;

        print_message("case %zu\n", i);
        if (cases[i].file) {
            directory_write(folder, cases[i].file, cases[i].text);
        }
        load(&outcome, cases[i].args, cases[i].environment);
        assert_string_equal(outcome.why.text, "");
        assert_int_equal(outcome.rc, 0);
        assert_int_equal(outcome.loaded.form, cases[i].form);
        assert_string_equal(outcome.points.ptr, cases[i].points);
        if (cases[i].warning) {
            assert_contains(&outcome.warnings, cases[i].warning);
        } else {
            assert_string_equal(outcome.warnings.ptr, "");
        }
        unload(&outcome);
        if (cases[i].file) {
            directory_delete(folder, cases[i].file);
        }
    }
}

static void values_of_ignored_settings_are_not_shown(void **state)
{
    struct outcome outcome;

    (void)state;
    directory_write(folder, "traefik.yml", "ping: {}\n");
    load(&outcome, "--providers.consul.token=hush1 --pilot.token hush2",
         "TRAEFIK_PROVIDERS_REDIS_PASSWORD=hush3");
    assert_int_equal(outcome.rc, 0);
    assert_contains(&outcome.warnings, "--providers.consul.token, --pilot.token");
    assert_contains(&outcome.warnings, "TRAEFIK_PROVIDERS_REDIS_PASSWORD");
    assert_lacks(&outcome.warnings, "hush");
    unload(&outcome);
    directory_delete(folder, "traefik.yml");
}

static void two_files_are_named(void **state)
{
    struct outcome outcome;

    (void)state;
    directory_write(folder, "weir.yml", "ping: {}\n");
    directory_write(folder, "traefik.yml", "api: {}\n");
    load(&outcome, "", "");
    assert_int_equal(outcome.rc, 0);
    assert_true(slice_has_suffix(outcome.loaded.file, SLICE("/weir.yml")));
    assert_contains(&outcome.warnings, "/traefik.yml is there too and is not read");
    unload(&outcome);
    directory_delete(folder, "weir.yml");
    directory_delete(folder, "traefik.yml");
}

/* ---- what is refused ---- */

static void refusals_say_where_and_what(void **state)
{
    static const struct {
        const char *file; /* text of ./traefik.yml, or NULL */
        const char *args, *environment;
        const char *wants[3];
    } cases[] = {
        {NULL, "--entrypoints.web.adress=:80", "", {"--entrypoints.web.adress", "address"}},
        {NULL, "--nonsense", "", {"--nonsense"}},
        {NULL, "stray", "", {"stray"}},
        {"ping: {}\n", "--logLevel=INFO --nonsense", "", {"--nonsense"}},
        {NULL, "--entryPoints=Name:http", "", {"--entryPoints.NAME.address"}},
        {"entryPoints:\n  web: {address: ':80', redirect: {entryPoint: https}}\n",
         "",
         "",
         {"traefik.yml:2", "entryPoints.web.redirect: an option of Traefik 1",
          "http.redirections.entryPoint"}},
        {NULL,
         "--logLevel=INFO --entryPoints.web.address=:80 --entryPoints.web.compress=true",
         "",
         {"--entryPoints.web.compress"}},
        {"ping: {}\nhttp:\n  routers: {}\n", "", "", {"traefik.yml:3", "http", "providers.file.filename"}},
        {NULL, "--entryPoints.web", "", {"entryPoints.web.address", "required"}},
        {NULL, "--entryPoints.web.address=80", "", {"entryPoints.web.address", "port is missing", "\":80\""}},
        {NULL, "--entryPoints.web.address=:80/sctp", "", {"entryPoints.web.address", "sctp"}},
        {NULL, "--entryPoints.web.address=:0", "", {"entryPoints.web.address", "port 0"}},
        {NULL, "--entryPoints.web.address=:70000", "", {"entryPoints.web.address", "70000"}},
        {NULL, "--entryPoints.web.address=:80x", "", {"entryPoints.web.address", "80x"}},
        {NULL,
         "--metrics.otlp.explicitBoundaries=1,x",
         "",
         {"explicitBoundaries", "\"1,x\" is no list of numbers"}},
        {NULL, "--metrics.prometheus.buckets=nan", "", {"buckets", "no list of numbers"}},
        {"metrics:\n  otlp:\n    explicitBoundaries: [1, 0x]\n",
         "",
         "",
         {"traefik.yml:3", "explicitBoundaries", "no list of numbers"}},
        {NULL, "--entryPoints.web.address=example.org:80", "", {"entryPoints.web.address", "example.org"}},
        {NULL,
         "--entryPoints.a.address=:80 --entryPoints.b.address=:80",
         "",
         {"entryPoints.b.address", "is taken by entryPoints.a"}},
        {NULL,
         "--entryPoints.a.address=:80 --entryPoints.b.address=127.0.0.1:80/tcp",
         "",
         {"entryPoints.b.address", "is taken by entryPoints.a"}},
        {NULL, "--entryPoints.a.address=0.0.0.0:80 --entryPoints.b.address=[::]:80", "", {"is taken by"}},
        {NULL,
         "--entryPoints.traefik.address=:9000 --entryPoints.a.address=:9000 --ping",
         "",
         {"is taken by"}},
        {NULL,
         "--entryPoints.web.address=:8080 --ping",
         "",
         {"entryPoints.web.address", "is taken by", "traefik"}},
        {NULL,
         "--entryPoints.web.address=:80 --entryPoints.web.forwardedHeaders.trustedIPs=10.0.0.0/8,10.0.0.300",
         "",
         {"entryPoints.web.forwardedHeaders.trustedIPs", "10.0.0.300"}},
        {NULL,
         "--entryPoints.web.address=:80 --entryPoints.web.proxyProtocol.trustedIPs=10.0.0.0/8,10.0.0.0/80",
         "",
         {"entryPoints.web.proxyProtocol.trustedIPs", "10.0.0.0/80"}},
        {NULL,
         "--entryPoints.web.address=:80 --entryPoints.web.proxyProtocol",
         "",
         {"entryPoints.web.proxyProtocol", "nobody is trusted"}},
        {NULL,
         "--entryPoints.web.address=:80 --entryPoints.web.http.maxHeaderBytes=-1",
         "",
         {"maxHeaderBytes"}},
        {NULL,
         "--entryPoints.web.address=:80 --entryPoints.web.transport.respondingTimeouts.readTimeout=soon",
         "",
         {"readTimeout", "soon"}},
        {NULL,
         "--entryPoints.web.address=:80 --entryPoints.web.http.underscoreHeadersStrategy=maybe",
         "",
         {"underscoreHeadersStrategy", "keep"}},
        {NULL, "--workers=257", "", {"workers", "256"}},
        {NULL, "--workers=-1", "", {"workers"}},
        {NULL, "--limits.memory=-1", "", {"limits.memory"}},
        {NULL, "--limits.memory=100MiB", "", {"limits.memory"}},
        {NULL, "--ocsp.responderOverrides.a=", "", {"ocsp.responderOverrides.a", "no URL"}},
        {NULL, "--log.level=LOUD", "", {"log.level", "LOUD", "INFO"}},
        {NULL, "--log.format=xml", "", {"log.format", "json"}},
        {NULL, "--core.defaultRuleSyntax=v4", "", {"core.defaultRuleSyntax", "v4"}},
        {NULL, "--api.basePath=api", "", {"api.basePath", "absolute"}},
        {NULL, "--providers.precedence=file,nope", "", {"providers.precedence", "nope"}},
        {NULL, "--providers.file.watch", "", {"providers.file", "filename"}},
        {NULL, "--ping.terminatingStatusCode=42", "", {"terminatingStatusCode"}},
        {NULL, "--ping.terminatingStatusCode=101", "", {"terminatingStatusCode"}}, /* ends nothing */
        {NULL, "", "TRAEFIK_ENTRYPOINTS_WEB_ADRESS=:80", {"TRAEFIK_ENTRYPOINTS_WEB_ADRESS"}},
        {NULL, "", "TRAEFIK_LOG_LEVEL=LOUD", {"log.level"}},
        {"entryPoints:\n  web:\n    adress: ':80'\n",
         "",
         "",
         {"traefik.yml:3", "entryPoints.web.adress", "address"}},
        {"ping: {}\nlog: {level: 5}\n  bad\n", "", "", {"traefik.yml:"}},
        {"log: [1]\n", "", "", {"traefik.yml:1", "log"}},
        {"a: 1\na: 2\n", "", "", {"traefik.yml:2"}},
        {NULL,
         "--providers.kubernetesIngress.reportNodeInternalIPs "
         "--providers.kubernetesIngress.ingressEndpoint.ip=1.2.3.4",
         "",
         {"kubernetesIngress", "reportNodeInternalIPs", "ingressEndpoint"}},
        {NULL,
         "--providers.kubernetesIngress.reportNodeInternalIPs "
         "--providers.kubernetesIngress.disableClusterScopeResources",
         "",
         {"kubernetesIngress", "reportNodeInternalIPs", "disableClusterScopeResources"}},
        {NULL, "--kubernetes.namespces=a", "", {"kubernetes.namespces", "namespaces"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome outcome;

        print_message("case %zu\n", i);
        if (cases[i].file) {
            directory_write(folder, "traefik.yml", cases[i].file);
        }
        load(&outcome, cases[i].args, cases[i].environment);
        assert_true(outcome.rc < 0);
        assert_true(outcome.loaded.errors.count >= 1);
        assert_null(strchr(outcome.why.text, '\n'));
        for (size_t k = 0; k < ARRAY_LEN(cases[i].wants) && cases[i].wants[k]; k++) {
            if (strstr(outcome.why.text, cases[i].wants[k]) == NULL) {
                fail_msg("\"%s\" lacks \"%s\"", outcome.why.text, cases[i].wants[k]);
            }
        }
        unload(&outcome);
        if (cases[i].file) {
            directory_delete(folder, "traefik.yml");
        }
    }
}

static void all_errors_are_kept(void **state)
{
    struct outcome outcome;

    (void)state;
    load(&outcome,
         "--entryPoints.a.address=:80 --entryPoints.b.address=:80 --log.level=LOUD --log.format=xml", "");
    assert_true(outcome.rc < 0);
    assert_int_equal(outcome.loaded.errors.count, 3);
    assert_contains(&outcome.errors, "log.level");
    assert_contains(&outcome.errors, "log.format");
    assert_non_null(strstr(outcome.why.text, "(and 2 more: `weir check` with the same flags prints all)"));
    unload(&outcome);
}

static void files_that_cannot_be_read(void **state)
{
    struct outcome outcome;

    (void)state;
    directory_write(folder, "dir.yml/x", "");
    load(&outcome, "--configFile=dir.yml", "");
    assert_true(outcome.rc < 0);
    assert_non_null(strstr(outcome.why.text, "dir.yml"));
    unload(&outcome);
    directory_write(folder, "conf.ini", "x");
    load(&outcome, "--configFile=conf.ini", "");
    assert_true(outcome.rc < 0);
    assert_non_null(strstr(outcome.why.text, "conf.ini"));
    unload(&outcome);
    load(&outcome, "--configFile=conf.ini/below.yml", "");
    assert_true(outcome.rc < 0);
    assert_non_null(strstr(outcome.why.text, "--configFile"));
    unload(&outcome);
}

/* ---- what is accepted ---- */

static void accepted_with_a_word(void **state)
{
    static const struct {
        const char *args;
        const char *warning; /* part of one; NULL: none at all */
    } cases[] = {
        {"--entryPoints.web.address=:80 --entryPoints.udp.address=:80/udp --entryPoints.udp.udp.timeout=5s",
         NULL},
        {"--entryPoints.a.address=127.0.0.1:80 --entryPoints.b.address=127.0.0.2:80", NULL},
        {"--entryPoints.a.address=:80 --entryPoints.a.reusePort --entryPoints.b.address=:80 "
         "--entryPoints.b.reusePort=true",
         NULL},
        {"--entryPoints.a.address=localhost:8000 --entryPoints.b.address=[::1]:8000", NULL},
        {"--entryPoints.web.address=:80 --entryPoints.web.http.tls.certResolver=le",
         "entryPoints.web.http.tls.certResolver: is understood"},
        {"--accesslog --accesslog.fields.defaultmode=keep --accesslog.fields.headers.names.Foo=drop",
         "accessLog"},
        {"--metrics.prometheus=true --metrics.prometheus.entrypoint=web", "metrics: is understood"},
        {"--metrics.prometheus.buckets=0.1,3,1e1 --metrics.otlp.explicitBoundaries=.5,-1",
         "metrics: is understood"},
        {"--certificatesResolvers.ali.acme.dnsChallenge.provider=alidns "
         "--certificatesResolvers.ali.acme.email=a@b.c "
         "--certificatesResolvers.ali.acme.storage=/data/acme.json",
         "certificatesResolvers: is understood"},
        {"--global.checknewversion --global.sendanonymoususage", "global.checkNewVersion: is accepted"},
        {"--providers.kubernetesgateway --experimental.kubernetesgateway",
         "experimental.kubernetesGateway: is deprec"},
        {"--providers.kubernetescrd --providers.kubernetescrd.endpoint=https://k "
         "--providers.kubernetescrd.token=t",
         NULL},
        {"--providers.kubernetescrd.manifests=/m --providers.kubernetesCRD.ALLOWCROSSNAMESPACE", NULL},
        {"--api --kubernetes --logLevel=INFO", "kubernetes: is deprecated"},
        {"--pilot.token=abc", "pilot"},
        {"--defaultEntryPoints=http,https", "defaultEntryPoints: is deprecated"},
        {"--defaultEntryPoints=https", "defaultEntryPoints: there is no entry point \"https\""},
        {"--defaultEntryPoints=a --entryPoints.a.address=:80 --entryPoints.b.address=:81 "
         "--entryPoints.b.asDefault",
         "defaultEntryPoints: ignored"},
        {"--kubernetes.watch", "kubernetes.watch: is deprecated"},
        {"--kubernetes.namespaces=a --providers.kubernetesIngress", "kubernetes: ignored"},
        {"--providers.kubernetesIngress", NULL},
        {"--providers.kubernetesIngress.manifests=/m --providers.kubernetesIngress.strictPrefixMatching",
         NULL},
        {"--providers.kubernetesIngress.endpoint=http://a", NULL},
        {"--providers.kubernetesIngress.throttleDuration=2s", NULL},
        {"--providers.docker.swarmMode", "providers.docker.swarmMode: is deprecated"},
        {"--tracing.jaeger.samplingServerURL=http://x", "tracing.jaeger"},
        {"--core.defaultRuleSyntax=v2", "core.defaultRuleSyntax"},
        {"--entryPoints.web.address=:80 --entryPoints.web.forwardedHeaders.insecure",
         "of every client are believed"},
        {"--providers.file.filename=a --providers.file.directory=b", "providers.file.filename: ignored"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome outcome;

        print_message("case %zu\n", i);
        load(&outcome, cases[i].args, "");
        assert_string_equal(outcome.why.text, "");
        assert_int_equal(outcome.rc, 0);
        if (cases[i].warning) {
            assert_contains(&outcome.warnings, cases[i].warning);
        } else {
            assert_string_equal(outcome.warnings.ptr, "");
        }
        unload(&outcome);
    }
}

static void defaults_and_derived_values(void **state)
{
    struct outcome outcome;
    const struct static_config *config = &outcome.loaded.config;
    const struct entry_point *web;

    (void)state;
    load(&outcome,
         "--entryPoints.web.address=:80 --entryPoints.web.http.maxHeaderBytes=0 --logLevel=INFO "
         "--providers.precedence=FILE,kubernetesCRD",
         "");
    assert_int_equal(outcome.rc, 0);
    web = config->entry_points.values;
    assert_int_equal(web->http.max_header_bytes, 1048576);
    assert_int_equal(web->transport.life_cycle.grace_time_out, 10000000000);
    assert_int_equal(web->transport.responding_timeouts.read_timeout, 60000000000);
    assert_int_equal(web->transport.responding_timeouts.idle_timeout, 180000000000);
    assert_int_equal(web->transport.responding_timeouts.write_timeout, 0);
    assert_true(web->http.sanitize_path);
    assert_true(web->http.encoded_characters.allow_encoded_hash);
    assert_true(slice_eq(config->log->level, SLICE("INFO")));
    assert_true(slice_eq(config->log->format, SLICE("common")));
    assert_int_equal(config->servers_transport.max_idle_conns_per_host, 200);
    assert_int_equal(config->providers.throttle_duration, 2000000000);
    assert_int_equal(config->providers.precedence.count, 2);
    assert_true(slice_eq(((struct slice *)config->providers.precedence.items)[1], SLICE("kubernetescrd")));
    assert_null(config->ping);
    assert_null(config->providers.file);
    unload(&outcome);
    load(&outcome,
         "--log.level=WARN --logLevel=INFO --entryPoints.web.address=:80 "
         "--entryPoints.web.http.redirections.entryPoint.to=other",
         "");
    assert_true(slice_eq(config->log->level, SLICE("WARN")));
    assert_true(config->providers.precedence.count > PROVIDER_COUNT); /* those that are not served, too */
    for (size_t i = 0; i < PROVIDER_COUNT; i++) { /* one without a place would lose to all others */
        const struct slice *names = config->providers.precedence.items;
        size_t place = 0;

        while (place < config->providers.precedence.count &&
               !slice_eq(names[place], slice_cstr(providers[i]->name))) {
            place++;
        }
        assert_true(place < config->providers.precedence.count);
    }
    web = config->entry_points.values;
    assert_int_equal(web->http.redirections->entry_point->priority, INT64_MAX - 1);
    assert_true(web->http.redirections->entry_point->permanent);
    assert_true(slice_eq(web->http.redirections->entry_point->scheme, SLICE("https")));
    unload(&outcome);
}

static void options_of_traefik_1_stand_for_todays(void **state)
{
    struct outcome outcome;
    const struct static_config *config = &outcome.loaded.config;
    const struct kubernetes_provider *ingress;
    const struct entry_point *points;

    (void)state;
    load(&outcome,
         "--kubernetes.manifests=/m --kubernetes.namespaces=a,b --kubernetes.labelSelector=x=y "
         "--kubernetes.ingressClass=edge --kubernetes.disablePassHostHeaders --defaultEntryPoints=http "
         "--entryPoints.http.address=:80 --entryPoints.https.address=:443",
         "");
    assert_int_equal(outcome.rc, 0);
    ingress = config->providers.kubernetes_ingress;
    assert_non_null(ingress);
    assert_true(slice_eq(ingress->manifests, SLICE("/m")));
    assert_int_equal(ingress->namespaces.count, 2);
    assert_true(slice_eq(ingress->label_selector, SLICE("x=y")));
    assert_true(slice_eq(ingress->ingress_class, SLICE("edge")));
    assert_true(ingress->legacy.disable_pass_host_headers);
    assert_false(ingress->legacy.enable_pass_tls_cert);
    points = config->entry_points.values;
    assert_true(points[0].as_default);
    assert_false(points[1].as_default);
    unload(&outcome);
    load(&outcome, "--kubernetes", "");
    assert_non_null(config->providers.kubernetes_ingress);
    unload(&outcome);
    load(&outcome, "--kubernetes=false", "");
    assert_null(config->providers.kubernetes_ingress);
    unload(&outcome);
}

/* The argument lists of charts and manifests that are in use. */
static void lists_of_todays_users(void **state)
{
    static const struct {
        const char *args, *points;
    } cases[] = {
        {"--global.checknewversion --global.sendanonymoususage --entrypoints.metrics.address=:9100/tcp "
         "--entrypoints.traefik.address=:9000/tcp --entrypoints.web.address=:8000/tcp "
         "--entrypoints.websecure.address=:8443/tcp --api.dashboard=true --ping=true "
         "--metrics.prometheus=true "
         "--metrics.prometheus.entrypoint=metrics --providers.kubernetescrd "
         "--providers.kubernetescrd.allowCrossNamespace=true "
         "--providers.kubernetescrd.allowExternalNameServices=true --providers.kubernetesingress "
         "--providers.kubernetesingress.allowExternalNameServices=true --entrypoints.websecure.http.tls=true "
         "--log.level=DEBUG --accesslog=true --accesslog.fields.defaultmode=keep "
         "--accesslog.fields.headers.defaultmode=drop",
         "metrics :9100/tcp,traefik :9000/tcp,web :8000/tcp,websecure :8443/tcp,"},
        {"--entryPoints.mongo.address=:27017/tcp --entryPoints.traefik.address=:9000/tcp "
         "--entryPoints.udpep.address=:18080/udp --entryPoints.web.address=:8000/tcp "
         "--entryPoints.websecure.address=:8443/tcp --api.dashboard=true --ping=true "
         "--providers.kubernetescrd "
         "--providers.kubernetesingress",
         "mongo :27017/tcp,traefik :9000/tcp,udpep :18080/udp,web :8000/tcp,websecure :8443/tcp,"},
        {"--entryPoints.web.address=:80 --entryPoints.websecure.address=:443 --api=true --api.dashboard=true "
         "--ping=true --providers.kubernetesingress --providers.kubernetescrd --log.level=INFO --accesslog",
         "traefik :8080,web :80,websecure :443,"},
        {"--configfile=/config/traefik.toml --api --kubernetes --logLevel=INFO", "http :80,"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome outcome;

        print_message("case %zu\n", i);
        load(&outcome, cases[i].args, "");
        assert_string_equal(outcome.why.text, "");
        assert_string_equal(outcome.points.ptr, cases[i].points);
        unload(&outcome);
    }
}

/* The same settings in the three forms give the same configuration. */
static void three_forms_are_one(void **state)
{
    struct outcome flags, variables, file;
    struct text a, b, c;

    (void)state;
    load(&flags,
         "--entryPoints.web.address=:80 --entryPoints.websecure.address=:443 --api.dashboard=true --ping "
         "--providers.kubernetesIngress --providers.kubernetesCRD --log.level=INFO --accessLog",
         "");
    load(&variables, "",
         "TRAEFIK_ENTRYPOINTS_WEB_ADDRESS=:80\nTRAEFIK_ENTRYPOINTS_WEBSECURE_ADDRESS=:443\n"
         "TRAEFIK_API=true\nTRAEFIK_API_DASHBOARD=true\nTRAEFIK_PING=true\n"
         "TRAEFIK_PROVIDERS_KUBERNETESINGRESS=true\nTRAEFIK_PROVIDERS_KUBERNETESCRD=true\n"
         "TRAEFIK_LOG_LEVEL=INFO\nTRAEFIK_ACCESSLOG=true");
    directory_write(folder, "traefik.yml",
                    "entryPoints:\n  web:\n    address: \":80\"\n  websecure:\n    address: "
                    "\":443\"\napi:\n  dashboard: true\nping: {}\nproviders:\n  "
                    "kubernetesIngress: {}\n  kubernetesCRD: {}\nlog:\n  level: INFO\n"
                    "accessLog: {}\n");
    load(&file, "", "");
    assert_int_equal(flags.rc | variables.rc | file.rc, 0);
    text_init(&a);
    text_init(&b);
    text_init(&c);
    schema_encode(&static_schema, &flags.loaded.config, &a);
    schema_encode(&static_schema, &variables.loaded.config, &b);
    schema_encode(&static_schema, &file.loaded.config, &c);
    assert_string_equal(a.ptr, b.ptr);
    assert_string_equal(a.ptr, c.ptr);
    text_free(&a);
    text_free(&b);
    text_free(&c);
    unload(&flags);
    unload(&variables);
    unload(&file);
    directory_delete(folder, "traefik.yml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_form_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_of_ignored_settings_are_not_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_files_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_say_where_and_what, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_errors_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(accepted_with_a_word, set_up, tear_down),
        cmocka_unit_test_setup_teardown(defaults_and_derived_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(options_of_traefik_1_stand_for_todays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_of_todays_users, set_up, tear_down),
        cmocka_unit_test_setup_teardown(three_forms_are_one, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
