//! The application behind the proxy: answers with what it was asked.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Request};
use serde_json::{Value, json};

pub struct Upstream {
    pub address: SocketAddr,
    // Dropped, it stops.
    _runtime: tokio::runtime::Runtime,
}

impl Upstream {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(echo).layer(DefaultBodyLimit::disable());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Upstream { address, _runtime: runtime }
    }
}

async fn echo(request: Request) -> Json<Value> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let headers: Vec<Value> = head
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    Json(json!({"path": head.uri.to_string(), "headers": headers, "body_bytes": body.len()}))
}
