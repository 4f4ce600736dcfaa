use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tonic::server::NamedService;
use tonic::{Code, Status};

use super::{Others, asked_within};
use crate::api::load::{Limits, Load};

/// Panics or never answers, as the path says.
#[derive(Clone)]
struct Faulty;

impl NamedService for Faulty {
    const NAME: &'static str = "test.Faulty";
}

impl tower::Service<Request<tonic::body::Body>> for Faulty {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            match request.uri().path() {
                "/test.Faulty/Panic" => panic!("as told"),
                "/test.Faulty/Never" => std::future::pending().await,
                _ => Ok(Status::already_exists("well").into_http()),
            }
        })
    }
}

async fn ask(others: &mut Others, method: &str, timeout: Option<&str>) -> Code {
    let mut request = Request::post(format!("/test.Faulty/{method}"));
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let response = others.call(request).await;
    Status::from_header_map(response.headers()).unwrap().code()
}

fn others(limits: Limits) -> (Others, std::sync::Arc<Load>) {
    let load = std::sync::Arc::new(Load::new(limits, std::sync::Arc::default()));
    let routes = tonic::service::Routes::new(Faulty);
    (Others::new(routes).limited(std::sync::Arc::clone(&load)), load)
}

#[tokio::test]
async fn a_panic_costs_one_call() {
    let (mut others, load) = others(Limits::default());
    assert_eq!(ask(&mut others, "Panic", None).await, Code::Internal);
    assert_eq!(ask(&mut others, "Well", None).await, Code::AlreadyExists);
    assert_eq!(load.requests(), 0);
}

#[tokio::test]
async fn a_call_ends_in_time_and_earlier_where_the_caller_waits_less() {
    let (mut short, load) =
        others(Limits { request: Duration::from_millis(20), ..Limits::default() });
    for timeout in [None, Some("1H"), Some("soon")] {
        let began = std::time::Instant::now();
        assert_eq!(ask(&mut short, "Never", timeout).await, Code::DeadlineExceeded);
        assert!(began.elapsed() >= Duration::from_millis(20), "{timeout:?}");
    }
    assert_eq!(load.requests(), 0);
    // Far below the half minute that it would be given.
    let (mut long, _) = others(Limits::default());
    let began = std::time::Instant::now();
    assert_eq!(ask(&mut long, "Never", Some("20m")).await, Code::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn too_many_calls_are_unavailable() {
    let (mut others, load) = others(Limits { max_requests: 1, ..Limits::default() });
    let one = load.hold().unwrap();
    assert_eq!(ask(&mut others, "Well", None).await, Code::Unavailable);
    drop(one);
    assert_eq!(ask(&mut others, "Well", None).await, Code::AlreadyExists);
}

#[test]
fn the_callers_time_is_read_in_every_unit() {
    let read = |text: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        asked_within(&headers)
    };
    for (text, time) in [
        ("2H", Duration::from_secs(7200)),
        ("2M", Duration::from_secs(120)),
        ("99999999S", Duration::from_secs(99_999_999)),
        ("5m", Duration::from_millis(5)),
        ("5u", Duration::from_micros(5)),
        ("5n", Duration::from_nanos(5)),
    ] {
        assert_eq!(read(text), Some(time), "{text}");
    }
    for text in ["", "S", "5", "5s", "+5S", "-5S", "999999999S", "5 S"] {
        assert_eq!(read(text), None, "{text}");
    }
}
