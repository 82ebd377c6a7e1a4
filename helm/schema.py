"""Writes helm/weir/values.schema.json: `build/weir reference | python3 helm/schema.py`, done by `make reference`.

Values that are called as the options of weir take their keys and kinds from the table that `weir reference` prints, so that they cannot
fall behind it; the rest is what the templates read. Every key that is in neither is refused by helm, by name.
"""
import json
import re
import sys

TEXT, YES, NUMBER, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "number"}, {"type": "integer", "minimum": 0}
FREE, TEXTS, OBJECTS = {"type": "object"}, {"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "object"}}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
PORT_OR_NAME = {"type": ["integer", "string", "null"]}
COUNT_OR_PERCENT = {"type": ["integer", "string", "null"]}
KINDS = {
    "boolean": YES, "text": TEXT, "choice": TEXT, "integer": {"type": "integer"}, "number": NUMBER,
    "duration": {"type": ["string", "number"]}, "size": {"type": ["string", "integer"]},
    "list of texts": {"type": ["array", "string"], "items": {"type": ["string", "number"]}}, "map of texts": FREE, "free form": {},
}
SWITCHED = ("otlp", "http", "grpc", "tls", "http3", "fastProxy")  # sections that values switch on by `enabled`


def null(schema):
    """The same, or nothing: `key: null` takes a default away."""
    kinds = schema.get("type")
    if kinds is None or "null" in kinds:
        return schema
    return {**schema, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def keys(**properties):
    """An object with these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def choice(*names):
    return {"enum": list(names)}


def options(lines):
    """The rows of the reference as {name: kind}."""
    rows = (re.match(r"\| `([^|]+)` \| ([^|]+?) \|", line) for line in lines)
    return {row[1]: row[2] for row in rows if row}


def tree(rows, prefix):
    """The schema of everything below an option, as values have it: every section may be null."""
    below = {}
    for name in rows:
        if name.startswith(prefix + "."):
            below.setdefault(name[len(prefix) + 1:].split(".")[0], None)
    properties = {}
    for step in below:
        name = step.removesuffix("[n]")
        if name != step and name in properties:
            continue
        kind = rows.get(f"{prefix}.{name}", "section")
        if kind == "list of sections":
            properties[name] = {"type": "array", "items": tree(rows, f"{prefix}.{name}[n]")}
        elif kind == "section":
            properties[name] = null(tree(rows, f"{prefix}.{name}"))
        elif kind == "sections by name":
            properties[name] = {"type": "object", "additionalProperties": tree(rows, f"{prefix}.{name}.<name>")}
        else:
            properties[name] = null(KINDS[kind])
    if prefix.split(".")[-1] in SWITCHED:
        properties["enabled"] = YES
    return keys(**properties)


def more(schema, **properties):
    """The same with keys that only the chart has."""
    return keys(**{**schema["properties"], **properties})


def lower_too(schema):
    """Version 21 of Traefik's chart has some of these names in lower case."""
    properties = schema["properties"]
    return keys(**properties, **{name.lower(): value for name, value in properties.items() if name.lower() not in properties})


def ports(rows):
    entry = tree(rows, "entryPoints.<name>")["properties"]
    tls = entry["http"]["properties"]["tls"]
    port = keys(
        **{name: value for name, value in entry.items() if name != "address"},
        port=PORT, containerPort=null(PORT), hostPort=null(PORT), hostIP=null(TEXT), exposedPort=null(PORT), nodePort=null(PORT),
        targetPort=PORT_OR_NAME, appProtocol=null(TEXT), healthchecksPort=null(PORT),
        protocol=choice("TCP", "UDP", "tcp", "udp"), expose={"type": ["boolean", "object"], "additionalProperties": YES},
        tls=tls, middlewares=null(TEXTS),
        redirectTo={"type": ["string", "object", "null"], "required": ["port"], "additionalProperties": False,
                    "properties": {"port": TEXT, "scheme": TEXT, "priority": COUNT, "permanent": YES}})
    return {"type": "object", "propertyNames": {"pattern": "^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$"},
            "additionalProperties": null({**port, "required": ["port"]})}


def providers(rows):
    named = {}
    for name in ("kubernetesCRD", "kubernetesIngress", "kubernetesIngressNGINX", "kubernetesGateway", "knative"):
        named[name] = more(tree(rows, f"providers.{name}"), enabled=YES)
    named["kubernetesIngress"]["properties"]["publishedService"] = keys(enabled=YES, pathOverride=TEXT)
    return keys(**named, precedence=null(TEXTS), providersThrottleDuration=null(KINDS["duration"]),
                file=keys(enabled=YES, watch=YES, content={"type": ["object", "string"]}))


def logs(rows):
    access = lower_too(tree(rows, "accessLog"))["properties"]
    access["filters"] = lower_too(access["filters"])
    old = keys(**{**access, "fields": keys(general=FREE, headers=FREE)}, enabled=YES)
    log = tree(rows, "log")
    return {"logs": keys(general=log, access=old), "log": log, "accessLog": more(tree(rows, "accessLog"), enabled=YES)}


def workload():
    probe = keys(failureThreshold=COUNT, initialDelaySeconds=COUNT, periodSeconds=COUNT, successThreshold=COUNT, timeoutSeconds=COUNT)
    return {
        "image": keys(registry=null(TEXT), repository=null(TEXT), tag={"type": ["string", "number", "null"]}, name=null(TEXT),
                      digest={"type": ["string", "null"], "pattern": "^(sha256:[a-f0-9]{64})?$"},
                      pullPolicy=choice("Always", "IfNotPresent", "Never")),
        "deployment": keys(
            enabled=YES, kind=choice("DaemonSet", "Deployment"), replicas=null(COUNT), revisionHistoryLimit=null(COUNT),
            terminationGracePeriodSeconds=null(COUNT), minReadySeconds=COUNT, annotations=FREE, labels=FREE, podAnnotations=FREE,
            podLabels=FREE, additionalContainers=OBJECTS, additionalVolumes=OBJECTS, initContainers=OBJECTS,
            shareProcessNamespace=YES, dnsPolicy=null(TEXT), dnsConfig=FREE, hostAliases=OBJECTS, imagePullSecrets=OBJECTS,
            lifecycle=FREE, runtimeClassName=null(TEXT), healthchecksPort=null(PORT),
            healthchecksHost=TEXT, healthchecksScheme=choice("HTTP", "HTTPS", None), hostUsers=null(YES), readinessPath=TEXT,
            livenessPath=TEXT, tmpVolume=keys(emptyDir=FREE)),
        "edge": keys(hostNetwork=YES, privilegedPorts=choice("sysctl", "root")),
        "hostNetwork": YES,
        "staticConfig": keys(mode=choice("arguments", "configMap")),
        "stateDir": keys(enabled=YES, path=TEXT, type=choice("emptyDir", "hostPath"), hostPath=TEXT, sizeLimit=TEXT),
        "updateStrategy": keys(type=choice("RollingUpdate", "OnDelete", "Recreate"),
                               rollingUpdate=keys(maxUnavailable=COUNT_OR_PERCENT, maxSurge=COUNT_OR_PERCENT)),
        "podDisruptionBudget": keys(enabled=YES, maxUnavailable=COUNT_OR_PERCENT, minAvailable=COUNT_OR_PERCENT),
        "autoscaling": keys(enabled=YES, minReplicas=null(COUNT), maxReplicas=null(COUNT), metrics=OBJECTS, behavior=FREE),
        "readinessProbe": probe, "livenessProbe": probe, "startupProbe": FREE,
        "env": OBJECTS, "envFrom": OBJECTS, "additionalVolumeMounts": OBJECTS,
        "volumes": {"type": "array", "items": {**keys(name=TEXT, mountPath=TEXT, type=choice("secret", "configMap")),
                                               "required": ["name", "mountPath", "type"]}},
        "persistence": keys(enabled=YES, name=TEXT, existingClaim=TEXT, accessMode=TEXT, size=TEXT, storageClass=null(TEXT),
                            volumeName=TEXT, path=TEXT, annotations=FREE, subPath=TEXT),
        "resources": FREE, "nodeSelector": FREE, "tolerations": OBJECTS, "affinity": FREE, "topologySpreadConstraints": OBJECTS,
        "priorityClassName": TEXT, "securityContext": FREE, "podSecurityContext": FREE,
    }


def cluster():
    names = {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}}
    client_auth = keys(secretNames=TEXTS, clientAuthType=choice(
        "NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"))
    tls_option = keys(labels=FREE, minVersion=TEXT, maxVersion=TEXT, cipherSuites=TEXTS, curvePreferences=TEXTS, alpnProtocols=TEXTS,
                      sniStrict=YES, disableSessionTickets=YES, preferServerCipherSuites=YES, clientAuth=client_auth)
    tls_store = keys(labels=FREE, certificates=OBJECTS, defaultCertificate=keys(secretName=TEXT), defaultGeneratedCert=FREE)
    service = keys(enabled=YES, single=YES, type=TEXT, annotations=FREE, annotationsTCP=FREE, annotationsUDP=FREE, labels=FREE,
                   spec=FREE, loadBalancerSourceRanges=TEXTS, externalIPs=TEXTS)
    inner = keys(enabled=YES, annotations=FREE, labels=FREE, matchRule=TEXT, services=OBJECTS, entryPoints=TEXTS,
                     middlewares=OBJECTS, tls=FREE)
    return {
        "tlsOptions": {"type": "object", "additionalProperties": tls_option},
        "tlsStore": {"type": "object", "additionalProperties": tls_store},
        "ingressClass": keys(enabled=YES, isDefaultClass=YES, name=TEXT),
        "ingressRoute": keys(dashboard=inner, healthcheck=inner),
        "service": more(service, nameOverride=null(TEXT), additionalServices={"type": "object", "additionalProperties": service}),
        "rbac": keys(enabled=YES, namespaced=YES, status=YES, secretResourceNames=TEXTS, secretsByNamespace=names, aggregateTo=TEXTS),
        "serviceAccount": keys(name=TEXT), "serviceAccountAnnotations": FREE,
        "extraObjects": {"type": "array"}, "commonLabels": FREE,
        "nameOverride": TEXT, "fullnameOverride": TEXT, "namespaceOverride": TEXT, "instanceLabelOverride": TEXT,
    }


def static(rows):
    gateway = keys(enabled=YES, appLabelSelector=TEXT, certificates=OBJECTS)
    return {
        "ports": ports(rows), "providers": providers(rows), **logs(rows),
        "metrics": tree(rows, "metrics"), "tracing": tree(rows, "tracing"), "core": tree(rows, "core"), "api": tree(rows, "api"),
        "ocsp": more(tree(rows, "ocsp"), enabled=YES),
        "experimental": more(tree(rows, "experimental"), kubernetesGateway=gateway),
        "pilot": keys(enabled=YES, token=TEXT), "globalArguments": TEXTS, "additionalArguments": TEXTS,
        "certResolvers": {"type": "object", "additionalProperties": tree(rows, "certificatesResolvers.<name>.acme")},
        "certificatesResolvers": {"type": "object", "additionalProperties": tree(rows, "certificatesResolvers.<name>")},
        "global": tree(rows, "global"), "workers": null(COUNT), "limits": tree(rows, "limits"),
    }


def main():
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of weir",
              **keys(**workload(), **static(options(sys.stdin)), **cluster())}
    json.dump(schema, sys.stdout, indent=1, sort_keys=True)
    print()


main()
