"""Servers of https out of Kubernetes objects: scheme and ports, ServersTransport with Secrets and ConfigMaps."""
import base64
import json
import textwrap

import pytest

from conftest import curl
from tls_servers import secure  # noqa: F401 a fixture
from tlskit import Maker

pytestmark = pytest.mark.usefixtures("secure")


def encoded(**data):
    return ", ".join(f'"{key.replace("_", ".")}": {base64.b64encode(text.encode()).decode()}' for key, text in data.items())


def objects(server, made):
    """Routes by path: how their Service, their route or their ServersTransport say that it is https."""
    services = {"port": ("main", 443), "name": ("https-main", 8000), "scheme": ("main", 8000), "bare": ("main", 443)}
    parts = [f"""
        apiVersion: v1
        kind: Service
        metadata: {{name: {name}}}
        spec: {{ports: [{{name: {port}, port: {number}, targetPort: {server.port}}}]}}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
        addressType: IPv4
        ports: [{{name: {port}, port: {server.port}}}]
        endpoints: [{{addresses: [127.0.0.1]}}]
        """ for name, (port, number) in services.items()]
    parts += [f"""
        apiVersion: traefik.io/v1alpha1
        kind: IngressRoute
        metadata: {{name: {name}}}
        spec:
          routes:
          - kind: Rule
            match: Path(`/{name}`)
            services: [{{name: {name}, port: {number}{', scheme: https' if name == 'scheme' else ''}{
                ', serversTransport: all' if name != 'bare' else ''}}}]
        """ for name, (_, number) in services.items()]
    parts.append(f"""
        apiVersion: traefik.io/v1alpha1
        kind: ServersTransport
        metadata: {{name: all}}
        spec:
          serverName: a.test
          rootCAs: [{{configMap: ca}}, {{secret: more}}]
          rootCAsSecrets: [old]
          certificatesSecrets: [client]
          minVersion: VersionTLS13
          disableHTTP2: true
          peerCertSANs: [{{type: DNSName, value: a.test}}]
          maxIdleConnsPerHost: 3
          forwardingTimeouts: {{dialTimeout: 5s, idleConnTimeout: 20s}}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: ca}}
        data: {{ca.crt: {json.dumps(made['authority'].pem)}}}
        ---
        apiVersion: v1
        kind: Secret
        metadata: {{name: more}}
        data: {{{encoded(tls_ca=made['stranger'].pem)}}}
        ---
        apiVersion: v1
        kind: Secret
        metadata: {{name: old}}
        data: {{{encoded(ca_crt=made['stranger'].pem)}}}
        ---
        apiVersion: v1
        kind: Secret
        metadata: {{name: client}}
        type: kubernetes.io/tls
        data: {{{encoded(tls_crt=made['client'].pem, tls_key=made['client'].key_pem)}}}
        """)
    parts.append(f"""
        apiVersion: v1
        kind: Service
        metadata:
          name: annotated
          annotations:
            traefik.ingress.kubernetes.io/service.serversscheme: HTTPS  # Traefik takes any case
            traefik.ingress.kubernetes.io/service.serverstransport: default-all@kubernetescrd
        spec: {{ports: [{{name: main, port: 8000}}]}}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {{name: annotated-1, labels: {{kubernetes.io/service-name: annotated}}}}
        addressType: IPv4
        ports: [{{name: main, port: {server.port}}}]
        endpoints: [{{addresses: [127.0.0.1]}}]
        ---
        apiVersion: networking.k8s.io/v1
        kind: Ingress
        metadata: {{name: annotated}}
        spec:
          rules:
          - http: {{paths: [{{path: /annotated, pathType: Exact, backend: {{service: {{name: annotated, port: {{number: 8000}}}}}}}}]}}
        """)
    return "\n---\n".join(textwrap.dedent(part) for part in parts)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    maker = Maker(tmp_path_factory.mktemp("certificates"))
    authority, stranger = maker.authority("authority"), maker.authority("stranger")
    return {"authority": authority, "stranger": stranger, "server": maker.signed("server", authority, ["DNS:a.test"]),
            "client": maker.signed("client", stranger)}


def test_routes_and_transports(made, secure, weir, manifests):
    server = secure(made["server"], clients=made["stranger"])
    manifests.write("all.yaml", objects(server, made))
    router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}", f"--providers.kubernetesIngress.manifests={manifests.path}")
    for name in ("port", "name", "scheme", "annotated"):
        assert curl(router.ports["web"], f"/{name}").status == 200, (name, server.refused)
    met = server.handshakes[0]
    assert (met.name, met.version, met.protocol, met.client) == ("a.test", "TLSv1.3", None, made["client"].der)
    assert len(server.handshakes) == 1  # one server, whatever led there
    assert curl(router.ports["web"], "/bare").status == 502
    router.wait_log(r"serversTransport default@internal\) failed: its certificate is (signed|not)")
    # the Secret of the authority is changed: nobody is believed any more
    mark = router.mark()
    manifests.write("all.yaml", objects(server, {**made, "authority": made["stranger"]}))
    router.in_force(mark)
    assert curl(router.ports["web"], "/port").status == 502
    assert made["client"].key_pem.splitlines()[1] not in router.log()
