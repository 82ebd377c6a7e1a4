"""Small manifests that the scenarios leave to the cluster: the addresses behind a Service."""


def endpoint_slice(service, backends, port_name="", namespace="default", suffix="1", group="discovery.k8s.io/v1"):
    """One slice for each backend: pods have addresses of their own, so give each backend a loopback address of its own."""
    documents = []
    for number, backend in enumerate(backends):
        documents.append(f"""apiVersion: {group}
kind: EndpointSlice
metadata:
  name: {service}-{suffix}-{number}
  namespace: {namespace}
  labels:
    kubernetes.io/service-name: {service}
addressType: IPv4
ports:
  - name: "{port_name}"
    port: {backend.port}
    protocol: TCP
endpoints:
  - addresses: ["{backend.host}"]
    conditions: {{ready: true}}
""")
    return "---\n".join(documents)


def service(name, port, namespace="default", port_name="", addresses=None):
    annotations = f"\n  annotations:\n    weir.dev/addresses: \"{','.join(addresses)}\"" if addresses else ""
    name_line = f"\n      name: {port_name}" if port_name else ""
    return f"""apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}{annotations}
spec:
  ports:
    - port: {port}{name_line}
"""
