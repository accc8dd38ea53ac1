//! Connections, and the end of the server.

use crate::{limits::Limits, model::Model, routes::Site};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{
    convert::Infallible,
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;

/// How often the server looks whether it shall stop.
const TICK: Duration = Duration::from_millis(50);
/// The pause after a connection could not be taken, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes that a connection reads and writes ahead.
const BUFFER: usize = 1 << 16;
/// Headers of a request.
const HEADERS: usize = 64;

/// Serves models until `stop` is true: then new connections are refused, requests that run are answered, and texts that
/// are still written after [`Limits::stop_time`] end as they are.
///
/// Requests are answered whose `Host` is an address or `localhost`, and not those of web pages of another origin.
/// The example of the [crate](crate) serves one.
///
/// # Errors
/// The listener cannot be used, or threads cannot be started.
pub fn serve(
    listener: std::net::TcpListener,
    models: Vec<Arc<dyn Model>>,
    limits: &Limits,
    stop: &AtomicBool,
) -> io::Result<()> {
    serve_as(listener, "", models, limits, stop)
}

/// Serves as [`serve`] does, also under a further name of this machine.
///
/// # Errors
/// As [`serve`].
///
/// ```
/// use std::{net::TcpListener, sync::atomic::AtomicBool};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// unspool_serve::serve_as(listener, "models.lan", vec![], &Default::default(), &AtomicBool::new(true))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve_as(
    listener: std::net::TcpListener,
    host: &str,
    models: Vec<Arc<dyn Model>>,
    limits: &Limits,
    stop: &AtomicBool,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let site = Arc::new(Site::new(models, host, limits)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(limits.generations.max(1))
        .build()?;
    let served = runtime.block_on(accept(listener, site, limits, stop));
    // What is still written finds that nobody reads it, and ends with its next token.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn accept(
    listener: std::net::TcpListener,
    site: Arc<Site>,
    limits: &Limits,
    stop: &AtomicBool,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let (slots, graceful) = (Arc::new(Semaphore::new(limits.connections.max(1))), GracefulShutdown::new());
    while !stop.load(Ordering::Relaxed) {
        let Ok(Ok(slot)) = timeout(TICK, slots.clone().acquire_owned()).await else { continue };
        match timeout(TICK, listener.accept()).await {
            Ok(Ok((stream, _))) => drop(tokio::spawn(connection(stream, slot, site.clone(), &graceful, limits))),
            Ok(Err(_)) => sleep(PAUSE).await,
            Err(_) => {}
        }
    }
    drop(listener);
    let _ = timeout(limits.stop_time, graceful.shutdown()).await;
    Ok(())
}

/// Serves one connection to its end.
fn connection(
    stream: TcpStream,
    slot: OwnedSemaphorePermit,
    site: Arc<Site>,
    graceful: &GracefulShutdown,
    limits: &Limits,
) -> impl Future<Output = ()> + Send + use<> {
    // A token is sent as soon as it is there.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_time));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(BUFFER)
        .max_header_size(limits.header_bytes)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let watched = graceful.watch(connection);
    async move {
        // A client that sends garbage or leaves ends its own connection alone.
        let _ = watched.await;
        drop(slot);
    }
}
