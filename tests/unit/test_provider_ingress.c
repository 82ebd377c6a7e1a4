/*
 * test_provider_ingress.c - Ingresses in, model out, against golden files: classes, rules, names, annotations, backends.
 *
 * WEIR_GOLDEN=write writes the golden files anew; read the difference before you keep it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "tests/unit/provider_helper.h"

#define NET "apiVersion: networking.k8s.io/v1\n"
#define INGRESS "---\n" NET "kind: Ingress\nmetadata: "

static const char services[] =
    "apiVersion: v1\nkind: Service\nmetadata: {name: app, annotations: {weir.dev/addresses: "
    "\"127.0.0.1:1,127.0.0.1:2\"}}\n"
    "spec: {ports: [{name: web, port: 80}, {name: https-x, port: 8443}]}\n"
    "---\napiVersion: v1\nkind: Service\n"
    "metadata: {name: tuned, annotations: {weir.dev/addresses: \"127.0.0.1:3\",\n"
    "  traefik.ingress.kubernetes.io/service.serversscheme: h2c,\n"
    "  traefik.ingress.kubernetes.io/service.passhostheader: \"false\",\n"
    "  traefik.ingress.kubernetes.io/service.serverstransport: t@file,\n"
    "  traefik.ingress.kubernetes.io/service.middlewares: \"a@file,b@file\",\n"
    "  traefik.ingress.kubernetes.io/service.sticky.cookie: \"true\",\n"
    "  traefik.ingress.kubernetes.io/service.sticky.cookie.name: c}}\n"
    "spec: {ports: [{port: 80}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: wrong, annotations: {\n"
    "  traefik.ingress.kubernetes.io/service.nativelb: perhaps}}\nspec: {ports: [{port: 80}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: native, annotations: {\n"
    "  traefik.ingress.kubernetes.io/service.nativelb: \"true\"}}\n"
    "spec: {clusterIP: 10.1.0.1, ports: [{port: 80}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: node, annotations: {\n"
    "  traefik.ingress.kubernetes.io/service.nodeportlb: \"true\"}}\n"
    "spec: {type: NodePort, clusterIP: 10.1.0.2, ports: [{port: 80, nodePort: 30080}]}\n"
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n"
    "status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: ExternalIP, address: "
    "203.0.113.1}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: far}\n"
    "spec: {type: ExternalName, externalName: far.test, ports: [{port: 443}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: empty}\nspec: {ports: [{port: 80}]}\n"
    "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    "metadata: {name: empty-1, labels: {kubernetes.io/service-name: empty}}\nports: [{name: '', port: "
    "80}]\nendpoints: []\n";

static const char paths[] = INGRESS
    "{name: paths}\nspec:\n  rules:\n  - host: a.test\n    http:\n      paths:\n"
    "      - {path: /exact, pathType: Exact, backend: {service: {name: app, port: {number: 80}}}}\n"
    "      - {path: /prefix, pathType: Prefix, backend: {service: {name: app, port: {name: web}}}}\n"
    "      - {path: /any, pathType: ImplementationSpecific, backend: {service: {name: app, port: {number: "
    "8443}}}}\n"
    "      - {pathType: Prefix, backend: {service: {name: tuned, port: {number: 80}}}}\n"
    "      - {path: '/quo\"te\\x', pathType: Exact, backend: {service: {name: native, port: {number: 80}}}}\n"
    "      - {path: /node, pathType: Exact, backend: {service: {name: node, port: {number: 80}}}}\n"
    "  - host: '*.b.test'\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, "
    "port: {number: 80}}}}]}\n"
    "  - http: {paths: [{path: /no/host, pathType: Prefix, backend: {service: {name: app, port: {number: "
    "80}}}}]}\n"
    "  - host: nothing.test\n";

static const char same_names[] = INGRESS
    "{name: same}\nspec:\n  rules:\n  - host: s.test\n    http:\n      paths:\n"
    "      - {path: /a-b, pathType: Exact, backend: {service: {name: app, port: {number: 80}}}}\n"
    "      - {path: /a/b, pathType: Exact, backend: {service: {name: app, port: {number: 80}}}}\n"
    "      - {path: /c-d, pathType: Exact, backend: {service: {name: app, port: {number: 80}}}}\n"
    "      - {path: /c/d, pathType: Exact, backend: {service: {name: nowhere, port: {number: 80}}}}\n"
    "      - {path: /e, pathType: Exact, backend: {service: {name: app, port: {number: 80}}}}\n"
    "      - {path: /e, pathType: Exact, backend: {service: {name: gone, port: {number: 80}}}}\n" INGRESS
    "{name: same-s}\nspec: {rules: [{host: test, http: {paths: [{path: /e, pathType: Exact, backend: "
    "{service: {name: app, "
    "port: {number: 80}}}}]}}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: x-app, namespace: n, annotations: "
    "{weir.dev/addresses: '127.0.0.1:8'}}\n"
    "spec: {ports: [{port: 80}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: app, namespace: n-x, annotations: "
    "{weir.dev/addresses: '127.0.0.1:9'}}\n"
    "spec: {ports: [{port: 80}]}\n" INGRESS "{name: one, namespace: n}\nspec: {rules: [{host: one.test, "
    "http: {paths: [{backend: {service: {name: x-app, port: {number: "
    "80}}}}]}}]}\n" INGRESS "{name: two, namespace: n-x}\nspec: {rules: [{host: two.test, http: {paths: "
    "[{backend: {service: {name: app, port: {number: "
    "80}}}}]}}]}\n";

static const char annotated[] = INGRESS
    "\n  name: annotated\n  annotations:\n"
    "    traefik.ingress.kubernetes.io/router.entrypoints: web,other\n"
    "    traefik.ingress.kubernetes.io/router.middlewares: a@file,default-b@kubernetescrd\n"
    "    traefik.ingress.kubernetes.io/router.priority: '42'\n"
    "    traefik.ingress.kubernetes.io/router.pathmatcher: PathRegexp\n"
    "    traefik.ingress.kubernetes.io/router.tls: 'true'\n"
    "    traefik.ingress.kubernetes.io/router.tls.options: o@file\n"
    "    traefik.ingress.kubernetes.io/router.tls.domains.1.main: two.test\n"
    "    traefik.ingress.kubernetes.io/router.tls.domains.0.main: one.test\n"
    "    traefik.ingress.kubernetes.io/router.tls.domains.0.sans: x.test,y.test\n"
    "spec:\n  tls: [{secretName: missing}]\n  rules:\n  - host: r.test\n    http:\n      paths:\n"
    "      - {path: /re.*, backend: {service: {name: app, port: {number: 80}}}}\n"
    "      - {path: /pre, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}\n" INGRESS
    "\n  name: v2\n  annotations: {traefik.ingress.kubernetes.io/router.rulesyntax: v2}\n"
    "spec: {rules: [{host: '*.v2.test', http: {paths: [{path: '/{id}', pathType: Prefix, backend: {service: "
    "{name: app, "
    "port: {number: 80}}}}]}}]}\n" INGRESS
    "\n  name: no-tls\n  annotations:\n    traefik.ingress.kubernetes.io/router.tls.options: o@file\n"
    "    traefik.ingress.kubernetes.io/router.tls: 'false'\n"
    "spec: {rules: [{host: notls.test, http: {paths: [{path: /, backend: {service: {name: app, port: "
    "{number: 80}}}}]}}]}\n" INGRESS "{name: stray, annotations: {traefik.ingress.kubernetes.io/rule-typ: "
    "Path, traefik.ingress.kubernetes.io/service.nativelb: "
    "'true'}}\nspec: {rules: [{host: stray.test, http: {paths: [{backend: {service: {name: app, port: "
    "{number: 80}}}}]}}]}\n";

static const char broken[] = INGRESS
    "{name: broken}\nspec:\n  rules:\n  - host: x.test\n    http:\n      paths:\n"
    "      - {path: /good, pathType: Exact, backend: {service: {name: app, port: {number: 80}}}}\n"
    "      - {path: /port, pathType: Exact, backend: {service: {name: app, port: {number: 81}}}}\n"
    "      - {path: /noport, pathType: Exact, backend: {service: {name: app}}}\n"
    "      - {path: /resource, pathType: Exact, backend: {resource: {kind: Bucket, name: b}}}\n"
    "      - {path: /none, pathType: Exact}\n"
    "      - {path: /old, pathType: Exact, backend: {serviceName: app, servicePort: 80}}\n"
    "      - {path: /type, pathType: Prefx, backend: {service: {name: app, port: {number: 80}}}}\n"
    "      - {path: /far, pathType: Exact, backend: {service: {name: far, port: {number: 443}}}}\n"
    "      - {path: /empty, pathType: Exact, backend: {service: {name: empty, port: {number: 80}}}}\n"
    "      - {path: /wrong, pathType: Exact, backend: {service: {name: wrong, port: {number: 80}}}}\n" INGRESS
    "{name: mistyped, annotations: {traefik.ingress.kubernetes.io/router.entrypoint: web}}\n"
    "spec: {rules: [{host: m.test, http: {paths: [{backend: {service: {name: app, port: {number: "
    "80}}}}]}}]}\n" INGRESS
    "{name: matcher, annotations: {traefik.ingress.kubernetes.io/router.pathmatcher: Host}}\n"
    "spec: {rules: [{host: h.test, http: {paths: [{path: /, backend: {service: {name: app, port: {number: "
    "80}}}}]}}]}\n"
    "---\napiVersion: networking.k8s.io/v2\nkind: Ingress\nmetadata: {name: tomorrow}\n" INGRESS
    "{name: nospec}\n";

static const char old_api[] =
    "---\napiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: beta}\n"
    "spec:\n  backend: {serviceName: app, servicePort: web}\n"
    "---\napiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: twice}\n"
    "spec: {rules: [{host: old.test, http: {paths: [{path: /, backend: {serviceName: app, servicePort: "
    "80}}]}}]}\n" INGRESS "{name: twice}\n"
    "spec: {rules: [{host: new.test, http: {paths: [{path: /, backend: {service: {name: app, port: {number: "
    "80}}}}]}}]}\n" INGRESS
    "{name: zdefault}\nspec: {defaultBackend: {service: {name: app, port: {number: 80}}}}\n";

static void assert_ingresses(const char *text, struct kubernetes_provider options, const char *golden)
{
    char *directory = directory_new();
    struct static_config config = {.providers.kubernetes_ingress = &options};

    options.manifests = slice_cstr(directory);
    directory_write(directory, "services.yaml", services);
    directory_write(directory, "all.yaml", text);

    assert_loads(&provider_kubernetes_ingress, &config, directory, golden);
    directory_remove(directory);
}

static void paths_become_routers(void **state)
{
    (void)state;
    assert_ingresses(paths, (struct kubernetes_provider){0}, "ingress_paths.txt");
    assert_ingresses(paths, (struct kubernetes_provider){.strict_prefix_matching = true},
                     "ingress_paths_strict.txt");
}

static void names_that_are_the_same_get_a_hash(void **state)
{
    (void)state;
    assert_ingresses(same_names, (struct kubernetes_provider){0}, "ingress_same_names.txt");
}

static const char of_nginx[] = INGRESS "\n  name: moved\n  annotations:\n"
                                       "    cert-manager.io/cluster-issuer: le\n"
                                       "    nginx.ingress.kubernetes.io/rewrite-target: /$2\n"
                                       "    nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8\n"
                                       "spec:\n  rules:\n  - host: moved.test\n"
                                       "    http: {paths: [{path: /, pathType: Prefix, backend: {service: "
                                       "{name: app, port: {number: 80}}}}]}\n";

static const char foreign[] =
    INGRESS "\n  name: a\n  annotations: {kubernetes.io/ingress.class: nginx}\n"
            "spec: {}\n" INGRESS "\n  name: b\n  annotations: {kubernetes.io/ingress.class: nginx}\n"
            "spec: {}\n";

static void that_none_is_ours_is_said(void **state)
{
    (void)state;
    assert_ingresses(foreign, (struct kubernetes_provider){0}, "ingress_foreign.txt");
}

static void annotations_of_ingress_nginx_are_named(void **state)
{
    (void)state;
    assert_ingresses(of_nginx, (struct kubernetes_provider){0}, "ingress_nginx.txt");
}

static void annotations_are_decoded(void **state)
{
    (void)state;
    assert_ingresses(annotated, (struct kubernetes_provider){0}, "ingress_annotations.txt");
}

static void references_need_an_allowed_namespace(void **state)
{
    struct slice none[1] = {SLICE("other")};

    (void)state;
    assert_ingresses(annotated, (struct kubernetes_provider){.cross_provider_namespaces = {none, 1}},
                     "ingress_references.txt");
}

static void a_bad_path_takes_no_other_down(void **state)
{
    (void)state;
    assert_ingresses(broken, (struct kubernetes_provider){0}, "ingress_broken.txt");
    assert_ingresses(broken,
                     (struct kubernetes_provider){.allow_empty_services = true,
                                                  .allow_external_name_services = true,
                                                  .disable_cluster_scope_resources = true},
                     "ingress_allowed.txt");
}

static void older_versions_are_read(void **state)
{
    (void)state;
    assert_ingresses(old_api, (struct kubernetes_provider){0}, "ingress_old_versions.txt");
}

/* ---- classes ---- */
#define RULES(host)                                                                                          \
    "rules: [{host: " host ".test, http: {paths: [{backend: {service: {name: app, port: {number: 80}}}}]}}]"

static const char classes[] =
    "---\n" NET "kind: IngressClass\nmetadata: {name: traefik}\n"
    "spec: {controller: traefik.io/ingress-controller}\n"
    "---\n" NET "kind: IngressClass\nmetadata: {name: edge, annotations: "
    "{ingressclass.kubernetes.io/is-default-class: \"true\"}}\n"
    "spec: {controller: traefik.io/ingress-controller}\n"
    "---\n" NET "kind: IngressClass\nmetadata: {name: nginx}\n"
    "spec: {controller: k8s.io/ingress-nginx}\n" INGRESS
    "{name: by-class}\nspec: {ingressClassName: traefik, " RULES(
        "traefik") "}\n" INGRESS
                   "{name: by-edge}\nspec: {ingressClassName: edge, " RULES(
                       "edge") "}\n" INGRESS
                               "{name: by-nginx}\nspec: {ingressClassName: nginx, " RULES(
                                   "nginx") "}\n" INGRESS
                                            "{name: by-nobody}\nspec: {ingressClassName: nobody, " RULES(
                                                "nob"
                                                "od"
                                                "y") "}\n" INGRESS
                                                     "{name: none}\nspec: {" RULES(
                                                         "none") "}\n" INGRESS
                                                                 "{name: annotated, annotations: "
                                                                 "{kubernetes.io/ingress.class: "
                                                                 "traefik}}\nspec: {" RULES(
                                                                     "annotation") "}\n" INGRESS
                                                                                   "{name: empty, "
                                                                                   "annotations: "
                                                                                   "{kubernetes.io/"
                                                                                   "ingress.class: "
                                                                                   "''}}\nspec: {" RULES(
                                                                                       "empty") "}"
                                                                                                "\n" INGRESS
                                                                                                "{name: "
                                                                                                "edge, "
                                                                                                "annotat"
                                                                                                "ions: "
                                                                                                "{kubern"
                                                                                                "etes."
                                                                                                "io/"
                                                                                                "ingress"
                                                                                                ".class:"
                                                                                                " edge}}"
                                                                                                "\nspec:"
                                                                                                " "
                                                                                                "{" RULES(
                                                                                                    "edg"
                                                                                                    "e-"
                                                                                                    "ann"
                                                                                                    "ota"
                                                                                                    "tio"
                                                                                                    "n") "}"
                                                                                                         "\n" INGRESS
                                                                                                         "{na"
                                                                                                         "me:"
                                                                                                         " "
                                                                                                         "lab"
                                                                                                         "ell"
                                                                                                         "ed,"
                                                                                                         " "
                                                                                                         "nam"
                                                                                                         "esp"
                                                                                                         "ace"
                                                                                                         ": "
                                                                                                         "far"
                                                                                                         ", "
                                                                                                         "lab"
                                                                                                         "els"
                                                                                                         ": "
                                                                                                         "{te"
                                                                                                         "am:"
                                                                                                         " "
                                                                                                         "a}}"
                                                                                                         "\ns"
                                                                                                         "pec"
                                                                                                         ": "
                                                                                                         "{" RULES(
                                                                                                             "labelle"
                                                                                                             "d") "}"
                                                                                                                  "\n";

/* The hosts that are served, in order. */
static void assert_served(struct kubernetes_provider options, const char *hosts)
{
    char *directory = directory_new();
    struct static_config config = {.providers.kubernetes_ingress = &options};
    struct provider_state *kept = NULL;
    struct text found;

    options.manifests = slice_cstr(directory);
    directory_write(directory, "services.yaml", services);
    directory_write(directory, "classes.yaml", classes);

    struct model *model = provider_load(&provider_kubernetes_ingress, &config, &kept);

    text_init(&found);
    text_add_cstr(&found, "");
    model_sort(model);
    for (size_t i = 0; i < model->router_count; i++) {
        struct slice rule = slice_from(model->routers[i]->config.rule, 6);

        text_printf(&found, "%.*s ", SLICE_ARG(slice_head(rule, (size_t)slice_find(rule, '.'))));
    }
    assert_string_equal(found.ptr, hosts);
    text_free(&found);
    model_free(model);
    provider_kubernetes_ingress.free_state(kept);
    directory_remove(directory);
}

static void the_class_decides(void **state)
{
    struct slice far[1] = {SLICE("far")};

    (void)state;
    assert_served((struct kubernetes_provider){0}, "annotation traefik edge empty none labelled ");
    assert_served((struct kubernetes_provider){.ingress_class = SLICE("edge")},
                  "edge edge-annotation none labelled ");
    assert_served((struct kubernetes_provider){.ingress_class = SLICE("traefik")}, "annotation traefik ");
    assert_served((struct kubernetes_provider){.disable_ingress_class_lookup = true},
                  "annotation empty none labelled ");
    assert_served((struct kubernetes_provider){.disable_cluster_scope_resources = true},
                  "annotation empty none labelled ");
    assert_served((struct kubernetes_provider){.label_selector = SLICE("team=a")}, "labelled ");
    assert_served((struct kubernetes_provider){.namespaces = {far, 1}}, "labelled ");
}

/* ---- one folder, two providers ---- */
static void providers_of_one_folder_share_its_documents(void **state)
{
    char *directory = directory_new();
    struct kubernetes_provider options = {.manifests = slice_cstr(directory)}, second = options;
    struct static_config config = {.providers.kubernetes_ingress = &options,
                                   .providers.kubernetes_crd = &second};
    struct provider_state *ingress_state = NULL, *crd_state = NULL;
    struct text text;

    (void)state;
    directory_write(directory, "services.yaml", services);
    directory_write(directory, "bad.yaml", "a: b: c: [\n");

    struct model *crd = provider_load(&provider_kubernetes_crd, &config, &crd_state);
    struct model *ingress = provider_load(&provider_kubernetes_ingress, &config, &ingress_state);

    assert_ptr_equal(crd->release_context, ingress->release_context); /* the store itself: nothing changed */
    text_init(&text);
    model_dump(ingress, directory, &text);
    assert_lacks(&text, "bad.yaml"); /* told once */
    text_free(&text);
    model_free(crd);
    model_free(ingress);
    provider_kubernetes_crd.free_state(crd_state);
    provider_kubernetes_ingress.free_state(ingress_state);
    directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_become_routers),
        cmocka_unit_test(names_that_are_the_same_get_a_hash),
        cmocka_unit_test(that_none_is_ours_is_said),
        cmocka_unit_test(annotations_of_ingress_nginx_are_named),
        cmocka_unit_test(annotations_are_decoded),
        cmocka_unit_test(references_need_an_allowed_namespace),
        cmocka_unit_test(a_bad_path_takes_no_other_down),
        cmocka_unit_test(older_versions_are_read),
        cmocka_unit_test(the_class_decides),
        cmocka_unit_test(providers_of_one_folder_share_its_documents),
    };

    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "test");
    return cmocka_run_group_tests_name("provider ingress", tests, NULL, NULL);
}
