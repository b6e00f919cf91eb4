//! Requests that stay inside the process: the daemon asks itself, by the same calls and through the same guard as anybody.

use std::{fmt, future::Future, io, pin::Pin};

use http_body_util::{Full, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Bytes};

/// A request as the client makes it.
pub type CarriedRequest = Request<Full<Bytes>>;
/// The body of an answer, as it comes.
pub type CarriedBody = UnsyncBoxBody<Bytes, io::Error>;
/// An answer.
pub type CarriedResponse = Response<CarriedBody>;
/// An answer under way.
pub type Carrying = Pin<Box<dyn Future<Output = CarriedResponse> + Send>>;

/// Brings requests to the daemon in place of a connection.
pub trait Carry: fmt::Debug + Send + Sync {
    /// Brings one there, and its answer back.
    fn carry(&self, request: CarriedRequest) -> Carrying;
}
