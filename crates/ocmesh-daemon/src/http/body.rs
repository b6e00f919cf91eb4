//! What requests and answers carry: JSON bodies, bounded in size and time, and the variable part of a path.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ocmesh_api::{BODY_BYTES_MAX, ErrorCode};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::error::Fault;

/// A body comes from this machine: 10 s is ages, and keeps a slow sender from holding a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer as JSON in plain sight, whoever wrote the words in it.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        as_json(ocmesh_api::json::to_string(&self.0))
    }
}

/// A written answer.
pub(super) fn as_json(written: serde_json::Result<String>) -> Response {
    match written {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        // Not reached: every field of the API is a plain value.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A JSON body of a known shape.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Fault> {
        let bytes = collect(request.into_body()).await?;
        if bytes.is_empty() {
            return Err(Fault::bad_request("a JSON body is needed"));
        }
        // Words of serde_json: a field's name, a line and a column; nothing of ours.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Fault::bad_request(format!("the body is not what is expected: {error}")))
    }
}

/// A whole body, bounded in size and time.
pub(super) async fn collect(body: Body) -> Result<axum::body::Bytes, Fault> {
    match timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Fault::bad_request("the body did not arrive whole")),
        Err(_) => Err(Fault::new(ErrorCode::RequestTimeout, "the body took too long")),
    }
}

/// Over [`BODY_BYTES_MAX`].
pub(super) fn too_large() -> Fault {
    Fault::new(ErrorCode::PayloadTooLarge, format!("the body is larger than {BODY_BYTES_MAX} bytes"))
}

/// The one variable part of a path, decoded.
pub(super) struct PathPart(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathPart {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(part)| Self(part)).map_err(|_| Fault::bad_request("the path is not UTF-8"))
    }
}
