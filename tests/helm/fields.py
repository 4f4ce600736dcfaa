"""The fields of objects that are not of Kubernetes itself, at each level that the chart, its snippets and its example
use.

Written by hand after those projects' references: Envoy Gateway, Gateway API, Istio, Traefik, cert-manager, the
Prometheus operator. An API server drops what it doesn't know without a word, so a name that is wrong is worth finding
here. Types, and what a version of theirs asks for besides, are not in it."""

ANY = object()


def some(names, **inner):
    return dict.fromkeys(names.split(), ANY) | inner


SELECTOR = some("matchExpressions matchLabels")
SECRET_KEY = some("name key optional")
TLS_CONFIG = some(
    "cert caFile certFile insecureSkipVerify keyFile keySecret maxVersion minVersion serverName",
    ca={"secret": SECRET_KEY, "configMap": SECRET_KEY},
)
ENDPOINT = some(
    "port path scheme params interval scrapeTimeout honorLabels honorTimestamps basicAuth oauth2"
    " metricRelabelings relabelings proxyUrl followRedirects enableHttp2 filterRunning targetPort",
    tlsConfig=TLS_CONFIG,
    authorization=some("type", credentials=SECRET_KEY),
)
MONITOR = some(
    "jobLabel podTargetLabels sampleLimit targetLimit labelLimit attachMetadata",
    selector=SELECTOR,
    namespaceSelector=some("any matchNames"),
)
TARGET = some("group kind name sectionName")

SPECS = {
    "gateway.envoyproxy.io/v1alpha1 SecurityPolicy": some(
        "targetSelectors cors basicAuth jwt oidc apiKeyAuth authorization",
        targetRefs=TARGET,
        extAuth=some(
            "headersToExtAuth bodyToExtAuth recomputeRoute http failOpen",
            grpc=some("backendSettings", backendRefs=some("group kind name namespace port fallback")),
        ),
    ),
    "gateway.envoyproxy.io/v1alpha1 EnvoyProxy": some(
        "provider logging telemetry bootstrap concurrency routingType extraArgs mergeGateways shutdown filterOrder",
        backendTLS=some(
            "minVersion maxVersion ciphers ecdhCurves signatureAlgorithms alpnProtocols",
            clientCertificateRef=some("group kind name namespace"),
        ),
    ),
    "gateway.networking.k8s.io/v1beta1 ReferenceGrant": {
        "from": some("group kind namespace"),
        "to": some("group kind name"),
    },
    "gateway.networking.k8s.io/v1 BackendTLSPolicy": some(
        "options",
        targetRefs=TARGET,
        validation=some(
            "hostname subjectAltNames wellKnownCACertificates", caCertificateRefs=some("group kind name")
        ),
    ),
    "security.istio.io/v1 AuthorizationPolicy": some(
        "action",
        selector=some("matchLabels"),
        targetRefs=some("group kind name namespace"),
        provider=some("name"),
        rules={
            "from": {
                "source": some(
                    "principals notPrincipals requestPrincipals notRequestPrincipals namespaces notNamespaces"
                    " ipBlocks notIpBlocks remoteIpBlocks notRemoteIpBlocks"
                )
            },
            "to": {
                "operation": some("hosts notHosts ports notPorts methods notMethods paths notPaths"),
            },
            "when": some("key values notValues"),
        },
    ),
    "traefik.io/v1alpha1 Middleware": {
        "headers": some("customRequestHeaders customResponseHeaders"),
        "forwardAuth": some(
            "address trustForwardHeader authResponseHeaders authResponseHeadersRegex authRequestHeaders"
            " addAuthCookiesToResponse headerField forwardBody maxBodySize",
            tls=some("caSecret certSecret insecureSkipVerify"),
        ),
    },
    "traefik.io/v1alpha1 IngressRoute": some(
        "tls parentRefs ingressClassName",
        entryPoints=ANY,
        routes=some(
            "kind match priority syntax",
            middlewares=some("name namespace"),
            services=some(
                "kind name namespace port scheme strategy weight sticky passHostHeader serversTransport nativeLB"
            ),
        ),
    ),
    "cert-manager.io/v1 Certificate": some(
        "secretName duration renewBefore usages dnsNames ipAddresses uris emailAddresses commonName subject isCA"
        " secretTemplate keystores revisionHistoryLimit",
        privateKey=some("algorithm size rotationPolicy encoding"),
        issuerRef=some("name kind group"),
    ),
    "monitoring.coreos.com/v1 ServiceMonitor": MONITOR | {"endpoints": ENDPOINT, "targetLabels": ANY},
    "monitoring.coreos.com/v1 PodMonitor": MONITOR | {"podMetricsEndpoints": ENDPOINT},
    "monitoring.coreos.com/v1 PrometheusRule": {
        "groups": some(
            "name interval limit labels query_offset partial_response_strategy",
            rules=some("alert record expr for keep_firing_for labels annotations"),
        )
    },
}
# Of the mesh configuration, which is no object of Kubernetes.
ISTIO_MESH = {
    "extensionProviders": some(
        "name",
        envoyExtAuthzGrpc=some(
            "service port timeout failOpen clearRouteCache statusOnError includeRequestBodyInCheck"
        ),
    )
}


def unknown(value, fields, path):
    """The places of what is not among the fields."""
    if fields is ANY:
        return []
    if isinstance(value, list):
        return [place for each in value for place in unknown(each, fields, path)]
    if not isinstance(value, dict):
        return [f"{path}: not an object"]
    return [
        place
        for key, each in value.items()
        for place in (unknown(each, fields[key], f"{path}.{key}") if key in fields else [f"{path}.{key}"])
    ]


def unknown_fields(each):
    """Of an object of another project's, or of Istio's mesh configuration."""
    if "kind" not in each:
        return unknown(each, ISTIO_MESH, "mesh")
    about = f"{each['apiVersion']} {each['kind']}"
    extra = sorted(set(each) - {"apiVersion", "kind", "metadata", "spec"})
    metadata = sorted(set(each["metadata"]) - {"name", "namespace", "labels", "annotations"})
    return extra + metadata + unknown(each["spec"], SPECS[about], about)
