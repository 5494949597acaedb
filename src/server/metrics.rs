//! The metrics of [`crate::cmd::Metrics`] over HTTP, on a port of their own: `GET /metrics`.
//!
//! Whoever reaches the port reads them, so it listens where `bind` says and nowhere else. Few and slow scrapers are all it
//! expects: a handful of connections at once, one request each, a few seconds to make it in.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{Listen, ListenError, Shared, listener};
use crate::cmd::Metrics;

/// How many scrapers are answered at once; others wait to be accepted.
const SCRAPERS: usize = 8;

/// How long a scraper has for its request, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many bytes of a request are looked at. One without a body or cookies is a tenth of this.
const LONGEST_REQUEST: usize = 8 * 1024;

/// How long accepting rests after it failed: the process may be out of descriptors.
const REST: Duration = Duration::from_millis(100);

/// Sockets for the metrics, where the settings ask for any.
pub(super) fn open(shared: &Shared) -> Result<Vec<std::net::TcpListener>, ListenError> {
    match shared.world.config.metrics_port() {
        0 => Ok(Vec::new()),
        port => listener::open_all_tcp(&Listen::from_config(&shared.world.config), Some(port)),
    }
}

/// Answers whoever comes to one of those sockets.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let metrics = Arc::new(Metrics::new(Arc::clone(&shared.world)));
    let seats = Arc::new(Semaphore::new(SCRAPERS));
    loop {
        // The semaphore is never closed, so there always is a seat sooner or later.
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("Accepting a connection for metrics: {error}");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            serve(stream, &metrics).await;
            drop(seat);
        });
    }
}

async fn serve(stream: TcpStream, metrics: &Metrics) {
    let service =
        service_fn(|request| async move { Ok::<_, Infallible>(answer(&request, metrics)) });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LONGEST_REQUEST)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("A request for metrics failed: {error}"),
        Err(_) => tracing::debug!("A request for metrics took too long"),
    }
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    let refuse = |status: StatusCode| plain(status, status.canonical_reason().unwrap_or_default());
    if request.uri().path() != "/metrics" {
        return refuse(StatusCode::NOT_FOUND);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED);
    }
    match metrics.text() {
        Ok(text) => {
            let mut response = plain(StatusCode::OK, text);
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static(Metrics::CONTENT_TYPE),
            );
            response
        }
        Err(error) => {
            tracing::error!("Writing the metrics: {error}");
            refuse(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{cmd::World, config::Config, store::Clock};

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut client = TcpStream::connect(address).await.expect("it listens");
        client
            .write_all(request.as_bytes())
            .await
            .expect("it is read");
        let mut answer = String::new();
        client
            .read_to_string(&mut answer)
            .await
            .expect("it is answered");
        answer
    }

    #[tokio::test]
    async fn scrapers_are_answered_and_nobody_else() {
        let world = World::new(Arc::new(Config::new()), Arc::default(), Clock::System);
        let shared = Arc::new(Shared::new(Arc::new(world)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(accept(listener, shared));

        // More than are answered at once, all silent and then gone, take no seat for good.
        for _ in 0..2 * SCRAPERS {
            drop(TcpStream::connect(address).await.expect("it listens"));
        }
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains(Metrics::CONTENT_TYPE), "{answer}");
        assert!(
            answer.contains("\nredis_connected_clients 0.0\n"),
            "{answer}"
        );
        for (request, status) in [
            ("GET / HTTP/1.0\r\n\r\n".to_owned(), "404"),
            ("POST /metrics HTTP/1.0\r\n\r\n".to_owned(), "405"),
            ("PING\r\n\r\n".to_owned(), "400"),
            (
                format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(LONGEST_REQUEST)),
                "4",
            ),
        ] {
            let answer = ask(address, &request).await;
            let starts = answer
                .split(' ')
                .nth(1)
                .is_some_and(|s| s.starts_with(status));
            assert!(starts, "{:.40}: {answer}", request);
        }
    }
}
