//! The real Envoy in front of the upstream, asking Plimsoll.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Request, Response, send};
use super::process::Process;

/// How Envoy is configured, where tests differ.
#[derive(Clone)]
pub struct Options {
    pub failure_mode_allow: bool,
    pub encode_raw_headers: bool,
    /// How long it waits for an answer.
    pub timeout: &'static str,
    /// So much of a body is sent along (bytes).
    pub body: Option<u32>,
    /// Takes clients' `x-plimsoll-*` away before it asks.
    pub strips_our_headers: bool,
    /// What `jwt_authn` would have found in a token.
    pub claims: Option<Value>,
    /// The collector that it sends spans of its own to, and samples all.
    pub traces_to: Option<SocketAddr>,
    /// Expects the PROXY protocol, and keeps its field 0xEA as metadata that it sends along.
    pub proxy_protocol: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            failure_mode_allow: false,
            encode_raw_headers: true,
            timeout: "20s",
            body: None,
            strips_our_headers: false,
            claims: None,
            traces_to: None,
            proxy_protocol: false,
        }
    }
}

/// What Envoy answers where it got no answer and is not to let pass.
pub const NO_ANSWER: u16 = 503;

pub struct Envoy {
    pub process: Process,
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Envoy {
    pub fn start(options: &Options, pdp: &str, upstream: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("envoy.json");
        std::fs::write(&file, config(options, pdp, upstream).to_string()).unwrap();
        let admin = folder.path().join("admin");
        let mut command = Command::new(binary());
        command.arg("-c").arg(&file).arg("--admin-address-path").arg(&admin);
        command.args(["--concurrency", "2", "--disable-hot-restart"]);
        command.args(["--file-flush-interval-msec", "10"]);
        let process = Process::start("envoy", &mut command);
        process.wait_for("that it serves", 0, |line| {
            line.contains("starting main dispatch loop").then_some(())
        });
        let admin = std::fs::read_to_string(admin).unwrap().parse().unwrap();
        let listeners = send(admin, &Request::get("/listeners?format=json")).json();
        let port = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = u16::try_from(port["port_value"].as_u64().unwrap()).unwrap();
        Envoy { process, address: ([127, 0, 0, 1], port).into(), _folder: folder }
    }

    pub fn send(&self, request: &Request) -> Response {
        send(self.address, request)
    }

    /// Waits for the access log's entry of a request for `path`.
    pub fn access_log(&self, path: &str) -> Value {
        self.process.wait_for("the request", 0, |line| {
            let entry: Value = serde_json::from_str(line).ok()?;
            (entry["path"] == path).then_some(entry)
        })
    }
}

/// `ENVOY`, or what `make test` has installed.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ENVOY") {
        return path.into();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/envoy");
    assert!(path.exists(), "{} is not there: `make envoy` installs it", path.display());
    path
}

fn typed(kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.{kind}"));
    config
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn cluster(name: &str, address: &Value) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": address}}]},
        ]},
    })
}

/// A route below `/NAME/` that says this of itself.
fn route(name: &str, context_extensions: &Value) -> Value {
    let settings = json!({"check_settings": {"context_extensions": context_extensions}});
    json!({
        "match": {"prefix": format!("/{name}/")},
        "route": {"cluster": "upstream"},
        "typed_per_filter_config": {
            "envoy.filters.http.ext_authz":
                typed("extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", settings),
        },
    })
}

/// A cluster that is spoken to in HTTP/2.
fn grpc(name: &str, address: &Value) -> Value {
    let mut cluster = cluster(name, address);
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
            "extensions.upstreams.http.v3.HttpProtocolOptions",
            json!({"explicit_http_config": {"http2_protocol_options": {}}}),
        ),
    });
    cluster
}

fn tracing() -> Value {
    let config = json!({
        "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}, "timeout": "5s",
            "initial_metadata": [{"key": "authorization", "value": "Bearer of-the-collector"}]},
        "service_name": "envoy",
    });
    json!({"provider": {
        "name": "envoy.tracers.opentelemetry",
        "typed_config": typed("config.trace.v3.OpenTelemetryConfig", config),
    }})
}

fn config(options: &Options, pdp: &str, upstream: SocketAddr) -> Value {
    let pdp = match pdp.strip_prefix("unix:") {
        Some(path) => json!({"pipe": {"path": path}}),
        None => socket(pdp.parse().unwrap()),
    };
    let mut clusters = vec![cluster("upstream", &socket(upstream)), grpc("plimsoll", &pdp)];
    clusters.extend(options.traces_to.map(|at| grpc("collector", &socket(at))));
    let here = "127.0.0.1:0".parse().unwrap();
    let mut connections = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": "in",
            // As a proxy at the edge has it: the client's address is its connection's.
            "use_remote_address": true,
            "max_request_headers_kb": 4096,
            "common_http_protocol_options": {"max_headers_count": 20_000},
            "access_log": [access_log()],
            "http_filters": filters(options),
            "route_config": {"virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [
                    route("strict", &json!({"plimsoll.policy": "strict", "tier": "gold"})),
                    route("nowhere", &json!({"plimsoll.policy": "no-such-policy"})),
                    route("limited", &json!({"plimsoll.enforces": "limits"})),
                    {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
                ],
                "request_headers_to_add": [{"header": {
                    "key": "x-from-metadata",
                    "value": "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:score)%",
                }}],
            }]},
        }),
    );
    if options.traces_to.is_some() {
        connections["tracing"] = tracing();
    }
    json!({
        "admin": {"address": socket(here)},
        "static_resources": {
            "listeners": [{
                "name": "in",
                "address": socket(here),
                "per_connection_buffer_limit_bytes": 16 << 20,
                "listener_filters": listener_filters(options),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": connections,
                }]}],
            }],
            "clusters": clusters,
        },
    })
}

fn listener_filters(options: &Options) -> Value {
    if !options.proxy_protocol {
        return json!([]);
    }
    let keep = json!({"metadata_namespace": "proxy", "key": "field"});
    let config = json!({"rules": [{"tlv_type": 0xEA, "on_tlv_present": keep}]});
    let kind = "extensions.filters.listener.proxy_protocol.v3.ProxyProtocol";
    json!([{"name": "envoy.filters.listener.proxy_protocol", "typed_config": typed(kind, config)}])
}

fn access_log() -> Value {
    let metadata = |key: &str| format!("%DYNAMIC_METADATA(envoy.filters.http.ext_authz:{key})%");
    let format = json!({"log_format": {"json_format": {
        "path": "%REQ(:PATH)%",
        "status": "%RESPONSE_CODE%",
        "decision": metadata("decision"),
        "score": metadata("score"),
        "level": metadata("level"),
        "policy": metadata("policy"),
        "revision": metadata("revision"),
        "id": metadata("id"),
        "factors": metadata("factors"),
    }}});
    json!({
        "name": "envoy.access_loggers.stderr",
        "typed_config": typed("extensions.access_loggers.stream.v3.StderrAccessLog", format),
    })
}

fn filters(options: &Options) -> Value {
    let mut filters = Vec::new();
    let mut add = |name: &str, kind: &str, config| {
        let kind = format!("extensions.filters.http.{kind}");
        filters.push(json!({
            "name": format!("envoy.filters.http.{name}"),
            "typed_config": typed(&kind, config),
        }));
    };
    if options.strips_our_headers {
        let ours = json!({"remove_on_match": {"key_matcher": {"prefix": "x-plimsoll-"}}});
        let mutations = json!({"mutations": {"request_mutations": [ours]}});
        add("header_mutation", "header_mutation.v3.HeaderMutation", mutations);
    }
    if let Some(claims) = &options.claims {
        let metadata = json!([{
            "metadata_namespace": "envoy.filters.http.jwt_authn",
            "value": {"payload": claims},
        }]);
        add("set_metadata", "set_metadata.v3.Config", json!({"metadata": metadata}));
    }
    let mut ext_authz = json!({
        "transport_api_version": "V3",
        "grpc_service": {
            "envoy_grpc": {"cluster_name": "plimsoll"},
            "timeout": options.timeout,
        },
        "failure_mode_allow": options.failure_mode_allow,
        "encode_raw_headers": options.encode_raw_headers,
        "status_on_error": {"code": NO_ANSWER},
        "metadata_context_namespaces": ["envoy.filters.http.jwt_authn", "proxy"],
    });
    if let Some(bytes) = options.body {
        ext_authz["with_request_body"] = json!({
            "max_request_bytes": bytes,
            "allow_partial_message": true,
            "pack_as_bytes": true,
        });
    }
    add("ext_authz", "ext_authz.v3.ExtAuthz", ext_authz);
    add("router", "router.v3.Router", json!({}));
    json!(filters)
}
