//! One server on a loopback port, stopped when its handle is dropped.
//!
//! Also the connections that a handler can cut without an answer. Left out: TLS, and any address but 127.0.0.1.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long [`Loopback::shutdown`] waits for requests that are still running.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// A running server; dropping it stops accepting and lets running requests end.
#[derive(Debug)]
pub(super) struct Loopback {
    address: SocketAddr,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Loopback {
    /// Binds `port` (0: one that the system picks) and runs `server` on it until the handle is dropped or shut down.
    pub(super) async fn start<S>(port: u16, server: impl FnOnce(TcpListener, Stop) -> S) -> io::Result<Self>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let task = tokio::spawn(server(listener, Stop(stopped)));
        Ok(Self { address, stop, task })
    }

    /// The URL to give to an SDK client, without a trailing slash.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops, and waits (two seconds at most) until running requests have ended.
    pub(super) async fn shutdown(self) {
        drop(self.stop);
        // A client that never finishes its request must not hold the caller.
        let _ = tokio::time::timeout(SHUTDOWN_LIMIT, self.task).await;
    }
}

/// Resolves when the [`Loopback`] is dropped or shut down.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<()>);

impl Stop {
    /// Waits for the stop; nothing is ever sent, so the end of the channel is the signal.
    pub(super) async fn wait(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// Serves `router` on connections that a handler can cut (it extracts `ConnectInfo<Cut>`).
pub(super) async fn serve(listener: TcpListener, router: Router, stop: Stop) {
    let make = router.into_make_service_with_connect_info::<Cut>();
    // axum's accept loop retries by itself: it has no error to report.
    let _ = axum::serve(CuttableListener(listener), make).with_graceful_shutdown(stop.wait()).await;
}

/// The switch that cuts one connection: what the handler returns after [`Cut::now`] is never written.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(Arc<AtomicBool>);

impl Cut {
    /// From here on the connection refuses to write, so the server closes it.
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().cut.clone()
    }
}

#[derive(Debug)]
struct CuttableListener(TcpListener);

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (inner, address) = Listener::accept(&mut self.0).await;
        // Small answers must not wait for an acknowledgement; without it they are only slower.
        let _ = inner.set_nodelay(true);
        (CuttableStream { inner, cut: Cut::default() }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

#[derive(Debug)]
struct CuttableStream {
    inner: TcpStream,
    cut: Cut,
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.cut.check()?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
