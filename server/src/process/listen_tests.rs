use super::*;

#[tokio::test]
async fn a_port_in_use_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", taken.local_addr().unwrap())).unwrap();
    let error = bind("listen-client-urls", std::slice::from_ref(&url)).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("--listen-client-urls: listen tcp {}: bind: ", url.address())),
        "{error}"
    );
}

#[tokio::test]
async fn an_address_that_is_named_twice_is_bound_once() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = |host: &str| Url::parse(&format!("http://{host}:{free}")).unwrap();
    let listeners = bind("listen-client-urls", &[url("127.0.0.1"), url("127.0.0.1")]).await.unwrap();
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0].urls.len(), 2);
    let listeners = bind("listen-peer-urls", &[url("127.0.0.2"), url("127.0.0.3")]).await.unwrap();
    assert_eq!(listeners.len(), 2);
}

#[tokio::test]
async fn more_connections_wait_than_come_at_once() {
    let url = Url::parse("http://127.0.0.1:0").unwrap();
    let listeners = bind("listen-client-urls", &[url]).await.unwrap();
    let address = match &listeners[0].listener {
        Listener::Tcp(listener) => listener.local_addr().unwrap(),
        Listener::Unix(..) => unreachable!("a URL of http"),
    };
    // Nobody accepts. What the kernel allows is below what we ask for, but not on a kernel of this decade.
    let connect = |_| tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address));
    let connected = futures_util::future::join_all((0..600).map(connect)).await;
    assert!(connected.iter().all(|one| matches!(one, Ok(Ok(_)))));
}

#[tokio::test]
async fn the_file_of_a_socket_is_taken_over_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let url = Url::parse(&format!("unix://{}", path.display())).unwrap();
    // As a process leaves it that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listeners = bind("listen-client-urls", std::slice::from_ref(&url)).await.unwrap();
    tokio::net::UnixStream::connect(&path).await.unwrap();
    drop(listeners);
    assert!(!path.exists());
    std::fs::write(&path, "of somebody else").unwrap();
    let error = bind("listen-client-urls", &[url]).await.unwrap_err().to_string();
    assert!(error.starts_with("--listen-client-urls: listen unix /"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "of somebody else");
}
