//! A request's JSON body, within bounds.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Problem;
use crate::api::load::{BodyError, Shed};

/// # Errors
/// `otherwise`, where the headers say that the body is not plain JSON.
pub(in crate::api) fn is_json(headers: &HeaderMap, otherwise: StatusCode) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(otherwise, "`content-type`: expected application/json"));
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            Err(Problem::new(otherwise, "`content-encoding`: compressed bodies are not taken"))
        }
        _ => Ok(()),
    }
}

/// Reads a body of at most `limit` bytes. How long that may take is the whole request's limit.
///
/// # Errors
/// When it is larger, there is too much else, or it breaks off.
pub(in crate::api) async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(why) if why.is::<LengthLimitError>() => {
            let detail = format!("a body of more than {} MiB", limit >> 20);
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(why) => Err(match shed(&*why) {
            Some(shed) => shed.into(),
            None => Problem::new(StatusCode::BAD_REQUEST, "the body broke off"),
        }),
    }
}

/// What we ourselves ended the body for, below what the layers between have made of it.
fn shed(why: &(dyn Error + 'static)) -> Option<Shed> {
    match why.downcast_ref::<BodyError>() {
        Some(BodyError::Shed(shed)) => Some(*shed),
        _ => why.source().and_then(shed),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, Bytes};
    use axum::extract::Request;
    use axum::response::IntoResponse as _;
    use http_body_util::Full;

    use super::read;
    use crate::api::load::{Kind, LimitedBody, Limits, Load};

    #[tokio::test]
    async fn a_body_is_refused_for_its_size_and_for_what_others_hold() {
        let limits = Limits { max_body_bytes: 10_000, ..Limits::default() };
        let load = Arc::new(Load::new(limits, Arc::default()));
        let request = |size| {
            let held = Arc::new(load.hold_anyway());
            let body = LimitedBody::new(Full::new(Bytes::from(vec![0; size])), held, Kind::Whole);
            Request::new(Body::new(body))
        };
        assert_eq!(read(request(9000), 9000).await.unwrap().len(), 9000);
        let large = read(request(9001), 9000).await.unwrap_err().into_response();
        assert_eq!((large.status().as_u16(), large.headers().get("retry-after")), (413, None));
        let shed = read(request(10_001), 20_000).await.unwrap_err().into_response();
        assert_eq!(
            (shed.status().as_u16(), &shed.headers()["retry-after"]),
            (503, &"1".parse().unwrap())
        );
    }
}
