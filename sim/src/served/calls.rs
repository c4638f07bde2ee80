//! A member's gRPC, on its machine: takes calls and has `server_sim::grpc` answer them.
//!
//! madsim-tonic's own server takes one call after another, so that a client whose request is on its way for long
//! keeps all others waiting; runs a call on whose client has hung up; and sends as much as it can to a client that
//! takes nothing. Real servers do none of that, so the loop is ours. It speaks to madsim-tonic's clients, and the
//! services are what its code generator makes of them.

use futures_util::{StreamExt, stream};
use madsim::net::{Endpoint, Receiver, Sender};
use server_sim::grpc::Service;
use server_sim::pb;
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxMessage, BoxMessageStream, Service as _};
use tonic::{Request, Response, Status};

/// A response of a stream as it travels.
type Item = Result<BoxMessage, Status>;

/// How many more responses of a stream a client takes. Travels with the request.
#[derive(Clone, Debug)]
pub(crate) struct Window(pub(crate) Arc<Semaphore>);

/// A member that is served. Dropping it ends the service at once: the process is gone, and its connections with it.
pub(crate) struct Serving {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Calls that the services have not answered yet.
    pub(crate) unanswered: Arc<AtomicUsize>,
    _end: End,
}

/// Ends what waits for it when it is dropped. A semaphore that nobody ever gets anything from: it wakes those who wait
/// in their order. A `watch` would wake them in an order that tokio draws from a counter of the process.
struct End(Arc<Semaphore>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Serves at this address, from the machine that this is called on, until the process ends.
///
/// # Errors
/// The address cannot be had.
pub(crate) async fn serve(service: Service, address: SocketAddr) -> io::Result<Serving> {
    let endpoint = Endpoint::bind(address).await?;
    let end = Arc::new(Semaphore::new(0));
    let unanswered = Arc::new(AtomicUsize::new(0));
    let serving = Serving { address, unanswered: Arc::clone(&unanswered), _end: End(Arc::clone(&end)) };
    madsim::task::spawn(until_end(Arc::clone(&end), async move {
        // An error is that of an endpoint that is gone.
        while let Ok((sender, receiver, _)) = endpoint.accept1().await {
            let call = answer(service.clone(), sender, receiver, Arc::clone(&unanswered));
            madsim::task::spawn(until_end(Arc::clone(&end), call));
        }
    }));
    Ok(serving)
}

async fn until_end(end: Arc<Semaphore>, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        // Never one to be had: only its end is seen.
        _ = end.acquire() => {}
        () = work => {}
    }
}

/// One call, to its end or its client's.
async fn answer(service: Service, sender: Sender, mut receiver: Receiver, unanswered: Arc<AtomicUsize>) {
    // One that comes to nothing is a client that looks whether anybody is there, or has left already.
    let Ok(first) = receiver.recv().await else { return };
    let (path, is_streamed, request) = *first
        .downcast::<(PathAndQuery, bool, Request<BoxMessage>)>()
        .expect("a call of madsim-tonic begins so");
    let window = request.extensions().get::<Window>().cloned();
    let request = request.map(|message| if message.is::<()>() { following(receiver) } else { once(message) });
    let work = async {
        let pending = Pending::new(&unanswered);
        let result = call(&service, path, request).await;
        drop(pending);
        match (result, is_streamed) {
            (Ok(response), true) => send_all(&sender, response, window, &unanswered).await,
            (Err(status), true) => send(&sender, Err::<Response<()>, Status>(status)).await,
            (Ok(response), false) => send(&sender, only(response).await).await,
            (Err(status), false) => send(&sender, Err::<Response<BoxMessage>, Status>(status)).await,
        }
    };
    tokio::select! {
        biased;
        () = sender.closed() => {}
        // Cannot be sent: the client has hung up.
        _ = work => {}
    }
}

async fn call(
    service: &Service,
    path: PathAndQuery,
    request: Request<BoxMessageStream>,
) -> Result<Response<BoxMessageStream>, Status> {
    let (service, call) = (service.clone(), (path.clone(), request));
    match path.path().split('/').nth(1) {
        Some("etcdserverpb.KV") => pb::kv_server::KvServer::new(service).call(call).await,
        Some("etcdserverpb.Watch") => pb::watch_server::WatchServer::new(service).call(call).await,
        Some("etcdserverpb.Lease") => pb::lease_server::LeaseServer::new(service).call(call).await,
        Some("etcdserverpb.Cluster") => pb::cluster_server::ClusterServer::new(service).call(call).await,
        Some("etcdserverpb.Maintenance") => {
            pb::maintenance_server::MaintenanceServer::new(service).call(call).await
        }
        _ => Err(Status::unimplemented(format!("service not found: {path}"))),
    }
}

fn once(message: BoxMessage) -> BoxMessageStream {
    stream::iter([Ok(message)]).boxed()
}

fn following(receiver: Receiver) -> BoxMessageStream {
    receiver
        .map(|message| message.map_err(Status::from))
        .take_while(|item| std::future::ready(item.is_ok()))
        .boxed()
}

async fn only(response: Response<BoxMessageStream>) -> Result<Response<BoxMessage>, Status> {
    let (metadata, mut messages, extensions) = response.into_parts();
    let message = messages.next().await.expect("a unary call is answered with one message")?;
    Ok(Response::from_parts(metadata, message, extensions))
}

async fn send_all(
    sender: &Sender,
    response: Response<BoxMessageStream>,
    window: Option<Window>,
    unanswered: &AtomicUsize,
) -> io::Result<()> {
    let (metadata, mut messages, extensions) = response.into_parts();
    send(sender, Ok::<_, Status>(Response::from_parts(metadata, (), extensions))).await?;
    loop {
        if let Some(Window(room)) = &window {
            room.acquire().await.expect("it is never closed").forget();
        }
        let pending = Pending::new(unanswered);
        let item: Option<Item> = messages.next().await;
        drop(pending);
        match item {
            Some(item) => send(sender, item).await?,
            None => return send(sender, ()).await,
        }
    }
}

async fn send(sender: &Sender, message: impl Any + Send + Sync) -> io::Result<()> {
    sender.send(Box::new(message)).await
}

/// Counts while the services work on something.
struct Pending<'a>(&'a AtomicUsize);

impl Pending<'_> {
    fn new(unanswered: &AtomicUsize) -> Pending<'_> {
        unanswered.fetch_add(1, Ordering::Relaxed);
        Pending(unanswered)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
